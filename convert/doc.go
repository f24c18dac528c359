// Package convert turns an ONNX model into a trainable GoMLX graph and writes trained weights back into it.
//
// Import reads a model; NewStep trains it; Runner computes it; Gradient differentiates it; Export returns the
// source model with new weights. Graphs are built for the shapes of their inputs: shape arithmetic is done
// while building and reaches no engine. No panic leaves the package, Forward excepted.
package convert
