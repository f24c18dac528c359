// Package pb holds the gRPC messages of the Open Inference Protocol, generated from inference.proto by protoc
// 33.5 (of grpcio-tools 1.81.1), protoc-gen-go v1.36.12 and protoc-gen-go-grpc v1.6.2. A program links this
// schema once: a second copy of the protocol buffer package "inference" would clash with it at start-up.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative inference.proto
