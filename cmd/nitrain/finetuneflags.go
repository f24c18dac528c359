package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/finetune"
)

// trainFlags are the flags of finetune that become a finetune.Config.
type trainFlags struct {
	cfg                                                    finetune.Config
	patch, pad, order, lossOptions                         string
	augment, loss, optimizer, schedule, initHead, batchNrm string
	recompute, memory, profile, precision                  string
}

func (t *trainFlags) register(cmd *cobra.Command) {
	t.cfg = finetune.Defaults()
	c, f := &t.cfg, cmd.Flags()
	f.IntVar(&c.Steps, "steps", 0, "optimizer steps (default: from --epochs, else 300; 0 only copies the model)")
	f.IntVar(&c.Epochs, "epochs", 0, "passes over the training cases, instead of --steps")
	f.IntVar(&c.Batch, "batch", c.Batch, "samples in a step")
	f.IntVar(&c.Accumulate, "accumulate", 0, "batches whose mean gradient makes a step (0: one)")
	f.StringVar(&t.patch, "patch", "", "size `X,Y,Z` of the boxes cut from prepared images (default: the Spec's tile)")
	f.BoolVar(&c.Whole, "whole", false, "train on whole prepared images")
	f.StringVar(&t.pad, "pad", "", "with --whole: pad images with zeros to `X,Y,Z`, evenly on both sides")
	f.Float64Var(&c.Foreground, "foreground", c.Foreground, "share of patches centred on a labelled voxel")
	f.StringVar(&t.augment, "augment", "", "random changes: none or light (flips, scale, shift, gamma, noise); default light, none with --order")
	f.StringVar(&t.order, "order", "", "`FILE.tsv` with a column file: the case of every step, for exact comparisons")
	f.StringVar(&t.loss, "loss", "", "dicece, dice or ce (default dicece)")
	f.StringVar(&t.lossOptions, "loss-options", "", "such as smooth=1,background=false (MONAI's names and defaults)")
	f.StringVar(&t.optimizer, "optimizer", "", "adam, adamw or sgd, as in PyTorch (default adam)")
	f.Float64Var(&c.Rate, "lr", 0, "highest learning rate (0: 1e-3, for sgd 1e-2)")
	f.Float64Var(&c.WeightDecay, "weight-decay", 0, "PyTorch's weight_decay")
	f.Float64Var(&c.Momentum, "momentum", 0, "PyTorch's momentum of sgd")
	f.StringVar(&t.schedule, "schedule", "", "constant, cosine or poly (default cosine, constant with --order)")
	f.IntVar(&c.Warmup, "warmup", 0, "steps in which the learning rate rises to its height")
	f.Float64Var(&c.Clip, "clip", c.Clip, "largest L2 norm of all gradients together (0: no limit)")
	f.StringArrayVar(&c.Freeze, "freeze", nil, "`PATTERN` (regular expression) of parameters that stand still; may repeat")
	f.StringArrayVar(&c.Train, "train", nil, "`PATTERN` of parameters that train although --freeze matches; alone: only these")
	f.StringVar(&t.initHead, "init-head", "", "how the last layer starts: keep, zero or kaiming (default keep)")
	f.StringVar(&t.batchNrm, "bn", "", "BatchNormalization: frozen, train, or recalibrate (frozen, with statistics taken anew before validations); default frozen")
	f.BoolVar(&c.Dropout, "dropout", c.Dropout, "let the model's own Dropout nodes act while it trains")
	f.Float64Var(&c.InsertDropout, "insert-dropout", 0, "share of the last layer's input to drop while it trains, for models without Dropout nodes (0: none)")
	f.IntVar(&c.ValidateEvery, "validate-every", 0, "steps between validations (0: a tenth of the run)")
	f.StringVar(&t.precision, "precision", "", "float32, or bfloat16 or float16 (mixed: weights stay float32) with --device xla (default float32)")
	f.StringVar(&t.recompute, "recompute", "", "auto: compute values twice where a step would not fit into memory; off (default auto)")
	f.StringVar(&t.memory, "memory", "", "what the whole process may take, such as `6GB` (default: what the machine has free)")
	f.StringVar(&t.profile, "profile", "", "write where the time went to `FILE.json`, which chrome://tracing and Perfetto open")
	f.IntVar(&c.EarlyStop, "early-stop", 0, "stop after `N` validations without a better score (0: never)")
}

// config checks what flags alone can say; finetune checks the rest.
func (t *trainFlags) config(seed uint64) (finetune.Config, error) {
	c := t.cfg
	c.Seed = seed
	c.Augment, c.Loss = finetune.Augment(t.augment), finetune.Loss(t.loss)
	c.Optimizer, c.Schedule = finetune.Optimizer(t.optimizer), finetune.Schedule(t.schedule)
	c.Precision = convert.Precision(t.precision)
	c.Recompute = finetune.Recompute(t.recompute)
	c.InitHead, c.BatchNorm = finetune.InitHead(t.initHead), finetune.BatchNorm(t.batchNrm)
	var faults []error
	note := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	var err error
	if t.memory != "" {
		c.Memory, err = parseBytes(t.memory)
		if err != nil {
			err = fmt.Errorf("--memory: %w", err)
		}
		note(err)
	}
	c.Patch, err = triple("--patch", t.patch)
	note(err)
	c.Pad, err = triple("--pad", t.pad)
	note(err)
	c.LossOptions, err = finetune.ParseLossOptions(t.lossOptions)
	note(err)
	if t.order != "" {
		c.Order, err = finetune.ReadOrder(t.order)
		note(err)
	}
	if len(faults) > 0 {
		return c, usageError{errors.Join(faults...)}
	}
	return c, nil
}

// triple reads "X,Y,Z"; one number stands for three equal ones, "X,Y" for X,Y,1 and "" for zeros.
func triple(flag, text string) ([3]int, error) {
	var v [3]int
	if text == "" {
		return v, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) == 1 {
		parts = []string{parts[0], parts[0], parts[0]}
	}
	if len(parts) == 2 {
		parts = append(parts, "1")
	}
	if len(parts) != 3 {
		return v, fmt.Errorf("%s: want X,Y,Z, got %q", flag, text)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || n < 1 {
			return v, fmt.Errorf("%s: want three whole numbers above 0, got %q", flag, text)
		}
		v[i] = n
	}
	return v, nil
}
