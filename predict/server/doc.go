// Package server puts models behind HTTP and gRPC: the Open Inference Protocol for tensors, an API of scans
// in and images out, and a viewer.
//
// A [Repository] holds the models, a [Handler] answers over HTTP and gRPC and may be mounted in another
// program, and [Handler.Serve] listens with the security that a hospital's network asks for: on the loopback
// interface, or elsewhere with tokens or client certificates. No message or log holds file names, image data or
// anything else of a patient.
package server
