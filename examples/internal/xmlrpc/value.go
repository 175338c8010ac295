package xmlrpc

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// value is one value: an element that names its type, or bare text, which is a string.
type value struct {
	Text  string    `xml:",chardata"`
	Typed []element `xml:",any"`
}

// element is a value's element, of whatever type.
type element struct {
	XMLName xml.Name
	Text    string   `xml:",chardata"`
	Data    []data   `xml:"data"`   // of an array
	Members []member `xml:"member"` // of a struct
	Unknown *unknown `xml:",any"`
}

type data struct {
	Values []value `xml:"value"`
}

type member struct {
	Name  string `xml:"name"`
	Value value  `xml:"value"`
}

type unknown struct {
	XMLName xml.Name
}

// validText reports what a document could not carry: encoding/xml would write a replacement instead.
func validText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8; send it as base64", s)
	}
	if i := strings.IndexFunc(s, notXML); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return fmt.Errorf("XML cannot carry the character %U; send it as base64", r)
	}
	return nil
}

// notXML reports whether a character is outside of XML 1.0's (section 2.2).
func notXML(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < 0x20, r > 0xD7FF && r < 0xE000, r == 0xFFFE, r == 0xFFFF:
		return true
	}
	return false
}
