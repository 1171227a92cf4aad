package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/skiffhq/skiff/core/function"
)

// setting is one scalar of a Config: its path in the file and where it lies.
type setting struct {
	path  string // "rateLimits.reads"
	value reflect.Value
}

// settings lists every scalar below a struct, in the order of its fields.
func settings(v reflect.Value, prefix string) []setting {
	var all []setting
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "-" {
			continue
		}
		if f := v.Field(i); f.Kind() == reflect.Struct {
			all = append(all, settings(f, prefix+name+".")...)
		} else {
			all = append(all, setting{prefix + name, f})
		}
	}
	return all
}

// set reads the text of a scalar by the type of the setting.
func (s setting) set(text string) error {
	switch s.value.Interface().(type) {
	case string:
		s.value.SetString(text)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("must be a whole number, not %.80q", text)
		}
		s.value.SetInt(int64(n))
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("must be true or false, not %.80q", text)
		}
		s.value.SetBool(b)
	case Bytes:
		n, err := ParseBytes(text)
		if err != nil {
			return err
		}
		s.value.SetInt(int64(n))
	case function.Duration:
		d, err := function.ParseDuration(text)
		if err != nil {
			return err
		}
		s.value.SetInt(int64(d))
	default:
		panic("config: setting " + s.path + " has a type without a reader")
	}
	return nil
}

// EnvName returns the environment variable of a setting: "rateLimits.reads" is
// SKIFF_RATE_LIMITS_READS.
func EnvName(path string) string {
	var b strings.Builder
	b.WriteString("SKIFF_")
	var before rune
	for _, r := range path {
		switch {
		case r == '.':
			b.WriteByte('_')
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			b.WriteRune(unicode.ToUpper(r))
		}
		before = r
	}
	return b.String()
}
