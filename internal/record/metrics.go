package record

import (
	"encoding/csv"
	"io"
)

// WriteTable replaces a CSV file of the folder.
func (d *Dir) WriteTable(name string, header []string, rows [][]string) error {
	return d.Write(name, func(w io.Writer) error {
		c := csv.NewWriter(w)
		if err := c.Write(header); err != nil {
			return err
		}
		return c.WriteAll(rows)
	})
}
