package main

import "github.com/spf13/cobra"

// commands lists every command in the order of the help.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.importModel(), a.edit(), a.check(), a.finetune(), a.export(),
		a.predict(), a.evaluate(), a.explain(), a.serve(),
		a.info(), a.view(), a.transform(), a.register(),
		a.hub(),
		a.setup(), a.doctor(),
	}
}
