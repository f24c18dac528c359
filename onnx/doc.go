// Package onnx holds the ONNX model and its tensors and moves them in and out of files; it runs nothing.
//
// ReadFile opens a model of any size at once: weights stay in the file. The Model is plain data, its lists
// and fields may be changed, and WriteFile writes what changed and keeps every other byte. Check says which
// rules of the standard a model breaks, Params which of its tensors are parameters, Heads which layers make
// an output's channels, and Describe all of that in one value.
//
// A model file never makes this package execute anything, read outside of its folder, or take memory that
// its size does not justify.
package onnx
