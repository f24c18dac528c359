// Package edit changes the structure of models: the number of classes and of input channels, where a model
// ends, which values it returns, names, and free axes.
//
// Every edit is all or nothing: a *Error names each node that stands in the way, and then the model is as it
// was. What an edit does not touch stays byte for byte when the model is written. Edits do not run the model:
// whoever writes it should open it in a runtime first.
package edit
