package dicom

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset decodes text of one character set of those that (0008,0005) names.
type charset struct {
	encoding encoding.Encoding
	prepare  func([]byte) []byte // from the code as ISO 2022 has it to the one of encoding
}

// named returns the character set of a defined term (PS3.3, C.12.1.1.2); ok is false where the term is none.
func named(term string) (c charset, ok bool) {
	number := strings.TrimPrefix(strings.TrimPrefix(term, "ISO_IR "), "ISO 2022 IR ")
	switch number {
	case "", "6":
		return charset{encoding: charmap.Windows1252}, true // ASCII, and what else may stand there
	case "100":
		return charset{encoding: charmap.ISO8859_1}, true
	case "101":
		return charset{encoding: charmap.ISO8859_2}, true
	case "109":
		return charset{encoding: charmap.ISO8859_3}, true
	case "110":
		return charset{encoding: charmap.ISO8859_4}, true
	case "144":
		return charset{encoding: charmap.ISO8859_5}, true
	case "127":
		return charset{encoding: charmap.ISO8859_6}, true
	case "126":
		return charset{encoding: charmap.ISO8859_7}, true
	case "138":
		return charset{encoding: charmap.ISO8859_8}, true
	case "148":
		return charset{encoding: charmap.ISO8859_9}, true
	case "203":
		return charset{encoding: charmap.ISO8859_15}, true
	case "166":
		return charset{encoding: charmap.Windows874}, true
	case "13":
		return charset{encoding: japanese.ShiftJIS}, true
	case "192":
		return charset{encoding: encoding.Nop}, true
	case "GB18030", "GBK":
		return charset{encoding: simplifiedchinese.GB18030}, true
	case "87", "149", "58", "159": // multi-byte sets, which only escapes choose
		return charset{encoding: charmap.Windows1252}, true
	}
	return charset{}, false
}

// escape returns the character set that an escape sequence chooses, and the sequence's length.
func escape(b []byte) (c charset, n int) {
	table := []struct {
		seq string
		set charset
	}{
		{"\x1b$B", charset{japanese.EUCJP, high}},
		{"\x1b$(D", charset{japanese.EUCJP, func(b []byte) []byte { return third(high(b)) }}},
		{"\x1b$)C", charset{encoding: korean.EUCKR}},
		{"\x1b$)A", charset{encoding: simplifiedchinese.GBK}},
		{"\x1b(B", charset{encoding: charmap.Windows1252}},
		{"\x1b(J", charset{encoding: japanese.ShiftJIS}},
		{"\x1b)I", charset{encoding: japanese.ShiftJIS}},
		{"\x1b-A", charset{encoding: charmap.ISO8859_1}},
		{"\x1b-B", charset{encoding: charmap.ISO8859_2}},
		{"\x1b-C", charset{encoding: charmap.ISO8859_3}},
		{"\x1b-D", charset{encoding: charmap.ISO8859_4}},
		{"\x1b-L", charset{encoding: charmap.ISO8859_5}},
		{"\x1b-G", charset{encoding: charmap.ISO8859_6}},
		{"\x1b-F", charset{encoding: charmap.ISO8859_7}},
		{"\x1b-H", charset{encoding: charmap.ISO8859_8}},
		{"\x1b-M", charset{encoding: charmap.ISO8859_9}},
		{"\x1b-T", charset{encoding: charmap.Windows874}},
	}
	for _, e := range table {
		if bytes.HasPrefix(b, []byte(e.seq)) {
			return e.set, len(e.seq)
		}
	}
	return charset{}, 0
}

// high moves a 94 x 94 set to the upper half, where EUC has it.
func high(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		if out[i] > 32 {
			out[i] |= 0x80
		}
	}
	return out
}

// third marks pairs as those of EUC's third set.
func third(b []byte) []byte {
	var out []byte
	for i := 0; i+1 < len(b); i += 2 {
		out = append(out, 0x8F, b[i], b[i+1])
	}
	return out
}

func (c charset) text(b []byte) string {
	if c.prepare != nil {
		b = c.prepare(b)
	}
	out, err := c.encoding.NewDecoder().Bytes(b)
	if err != nil {
		out = b
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// String decodes a text in the set's character sets, ISO 2022 escapes among them; names return to the first set at
// each of their delimiters.
func (s Set) String(tag Tag) string {
	e := s.Get(tag)
	value := bytes.Trim(e.Value, " \x00")
	first, _, _ := strings.Cut(s.Text(tagCharset), `\`)
	initial, ok := named(strings.TrimSpace(first))
	if !ok {
		initial, _ = named("")
	}
	delimiters := "\\\r\n\t\f"
	if e.VR == "PN" {
		delimiters += "^="
	}
	if e.VR == "PN" {
		value = bytes.TrimRight(value, "= ")
	}
	if !bytes.Contains(value, []byte{0x1b}) {
		return initial.text(value)
	}
	var out strings.Builder
	now, from := initial, 0
	flush := func(to int) {
		if to > from {
			out.WriteString(now.text(value[from:to]))
		}
	}
	for i := 0; i < len(value); {
		if set, n := escape(value[i:]); n > 0 {
			flush(i)
			now = set
			i += n
			from = i
			continue
		}
		multi := now.prepare != nil // bytes of such a set may look like delimiters
		if !multi && strings.IndexByte(delimiters, value[i]) >= 0 {
			flush(i)
			out.WriteByte(value[i])
			i++
			now, from = initial, i
			continue
		}
		if multi {
			i++
		}
		i++
	}
	flush(len(value))
	return out.String()
}

// Tags returns what a file says about its patient and study, by the names of PS3.6. This is the only way by which
// patient data leave this package.
func (f *File) Tags() map[string]string {
	out := map[string]string{}
	for _, t := range []struct {
		name string
		tag  Tag
	}{
		{"PatientName", tagPatientName},
		{"PatientID", tagPatientID},
		{"PatientBirthDate", tagPatientBirth},
		{"PatientSex", tagPatientSex},
		{"PatientAge", 0x00101010},
		{"PatientWeight", 0x00101030},
		{"StudyDate", tagStudyDate},
		{"StudyTime", tagStudyTime},
		{"StudyDescription", 0x00081030},
		{"StudyID", tagStudyID},
		{"StudyInstanceUID", tagStudyUID},
		{"AccessionNumber", tagAccession},
		{"ReferringPhysicianName", tagReferringPhysician},
		{"InstitutionName", 0x00080080},
		{"Modality", tagModality},
		{"Manufacturer", tagManufacturer},
		{"ManufacturerModelName", 0x00081090},
		{"SeriesDescription", 0x0008103E},
		{"SeriesNumber", tagSeriesNumber},
		{"SeriesInstanceUID", tagSeriesUID},
		{"BodyPartExamined", 0x00180015},
		{"ProtocolName", 0x00181030},
		{"SOPClassUID", tagSOPClass},
		{"SOPInstanceUID", tagSOPInstance},
		{"ImageType", tagImageType},
		{"InstanceNumber", tagInstanceNumber},
	} {
		if v := f.Set.String(t.tag); v != "" {
			out[t.name] = v
		}
	}
	return out
}
