package bundle

import (
	"fmt"
	"strings"
)

// Item is one thing in a bundle that has no translation.
type Item struct {
	Item  string `json:"item"`  // a class, a parameter ("Spacingd.scale_extent"), a section
	Where string `json:"where"` // its id in the configuration: preprocessing#transforms#3
	Why   string `json:"why"`
}

func (i Item) String() string { return fmt.Sprintf("%s (%s): %s", i.Item, i.Where, i.Why) }

// UntranslatableError lists everything in a bundle that has no translation.
type UntranslatableError struct {
	Bundle string
	Items  []Item
}

func (e *UntranslatableError) Error() string {
	lines := []string{fmt.Sprintf("bundle: %s: %s cannot be translated", e.Bundle, plural(len(e.Items), "item"))}
	for _, i := range e.Items {
		lines = append(lines, i.String())
	}
	return strings.Join(lines, "\n  ")
}

// Hint says what to do.
func (e *UntranslatableError) Hint() string {
	return "docs/bundles.md lists what is understood; a Spec of your own can be attached with --spec FILE.json"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// NotABundleError says that a path is no MONAI bundle.
type NotABundleError struct{ Path, What string }

func (e *NotABundleError) Error() string { return fmt.Sprintf("bundle: %s: %s", e.Path, e.What) }

// Hint says what a bundle is.
func (e *NotABundleError) Hint() string {
	return "a MONAI bundle is a folder or zip with configs/metadata.json and configs/inference.json or .yaml"
}

// UnsafeError refuses a bundle whose files could reach outside of it or are larger than any bundle's.
type UnsafeError struct{ Path, File, What string }

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("bundle: %s: %q %s", e.Path, shorten(e.File), e.What)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 160 {
		return string(r[:157]) + "..."
	}
	return s
}
