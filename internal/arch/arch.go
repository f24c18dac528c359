// Package arch keeps the layers of ARCHITECTURE.md true: its test reads every source file.
package arch
