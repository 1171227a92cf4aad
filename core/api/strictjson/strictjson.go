// Package strictjson reads the JSON body of a request and tells everything
// that is wrong with its shape at once: unknown and repeated names, wrong
// types, trailing data. encoding/json alone stops at the first, ignores case
// and lets the last of two equal names win.
//
// Whether a value of the right type is allowed is not asked here.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/skiffhq/skiff/core/fault"
)

// Body is the field that faults of the body as a whole are noted under.
const Body = "body"

// Decode reads one JSON object into the struct that to points to. What is
// wrong is noted in faults, under camelCase paths such as
// "scaling.minInstances"; to then holds what was right. A null leaves what is
// there, unless the type reads null itself. data may be used again afterwards.
func Decode(data []byte, to any, faults *fault.Collector) {
	if !utf8.Valid(data) {
		faults.Add(Body, "must be UTF-8")
		return
	}
	if problem := syntax(data); problem != "" {
		faults.Add(Body, "%s", problem)
		return
	}
	d := decoder{faults}
	d.object(data, reflect.ValueOf(to).Elem(), "")
}

// syntax says what makes data no JSON value, "" where it is one.
func syntax(data []byte) string {
	if len(bytes.TrimSpace(data)) == 0 {
		return "must be a JSON object, and is empty"
	}
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if err == nil {
		return ""
	}
	return "is not valid JSON: " + strings.TrimPrefix(err.Error(), "json: ")
}

// decoder walks a value that is known to be valid JSON.
type decoder struct{ faults *fault.Collector }

func (d decoder) value(data json.RawMessage, v reflect.Value, path string) {
	if _, own := v.Addr().Interface().(json.Unmarshaler); own {
		d.leaf(data, v, path)
		return
	}
	if bytes.Equal(data, []byte("null")) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(data, v.Elem(), path)
	case reflect.Struct:
		d.object(data, v, path)
	case reflect.Map:
		d.dictionary(data, v, path)
	default:
		d.leaf(data, v, path)
	}
}

func (d decoder) leaf(data json.RawMessage, v reflect.Value, path string) {
	err := json.Unmarshal(data, v.Addr().Interface())
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &wrong) && wrong.Type != nil:
		d.faults.Add(path, "%s", expected(v.Type(), wrong.Type))
	default:
		d.faults.Add(path, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
}

// object fills a struct.
func (d decoder) object(data json.RawMessage, v reflect.Value, path string) {
	known := fieldsOf(v.Type())
	d.each(data, path, func(name string, raw json.RawMessage) {
		index, ok := known[name]
		if !ok {
			d.faults.Add(join(path, name), "is not known here")
			return
		}
		d.value(raw, v.FieldByIndex(index), join(path, name))
	})
}

// dictionary fills a map, which is new, so that nothing older stays in it.
func (d decoder) dictionary(data json.RawMessage, v reflect.Value, path string) {
	t := v.Type()
	v.Set(reflect.MakeMap(t))
	d.each(data, path, func(name string, raw json.RawMessage) {
		elem := reflect.New(t.Elem()).Elem()
		if bytes.Equal(raw, []byte("null")) {
			d.faults.Add(join(path, name), "must not be null")
			return
		}
		d.value(raw, elem, join(path, name))
		v.SetMapIndex(reflect.ValueOf(name).Convert(t.Key()), elem)
	})
}

// each calls fn for every name of an object, once.
func (d decoder) each(data json.RawMessage, path string, fn func(string, json.RawMessage)) {
	if path == "" {
		path = Body
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		d.faults.Add(path, "must be an object")
		return
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		var raw json.RawMessage
		if err == nil {
			err = dec.Decode(&raw)
		}
		if err != nil { // cannot be: the syntax was checked
			d.faults.Add(path, "is not valid JSON")
			return
		}
		key, _ := name.(string)
		if seen[key] {
			d.faults.Add(join(strings.TrimPrefix(path, Body), key), "is given twice")
			continue
		}
		seen[key] = true
		fn(key, raw)
	}
}

// maxShown bounds what of a caller's own names goes back, in bytes.
const maxShown = 64

func join(path, name string) string {
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// expected says what a value should have been. whole is the type of the field,
// part the one that did not fit in it.
func expected(whole, part reflect.Type) string {
	if whole.Kind() == reflect.Slice && part.Kind() != reflect.Slice {
		return "must be a list, and each of it " + strings.TrimPrefix(expected(part, part), "must be ")
	}
	switch part.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Float32, reflect.Float64:
		return "must be a number"
	case reflect.Slice:
		return "must be a list"
	case reflect.Map, reflect.Struct:
		return "must be an object"
	default:
		return "must be a whole number"
	}
}

var fields sync.Map // reflect.Type → map[string][]int

// fieldsOf returns the JSON names of a struct's fields, those of embedded
// structs among them.
func fieldsOf(t reflect.Type) map[string][]int {
	if known, ok := fields.Load(t); ok {
		return known.(map[string][]int)
	}
	names := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" && name != "-" {
			names[name] = f.Index
		}
	}
	fields.Store(t, names)
	return names
}
