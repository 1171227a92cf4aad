package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// filled returns a value of which no exported field is zero, so that a field
// that a store forgets is noticed, also one that is added later.
func filled[T any]() *T {
	v := new(T)
	f := &filler{}
	f.fill(reflect.ValueOf(v).Elem())
	return v
}

type filler struct{ n int }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(moment.Add(time.Duration(f.n) * time.Second)))
		return
	case time.Duration, function.Duration:
		v.SetInt(int64(f.n) * int64(time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("value-%d.é\"<", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	default:
		f.fillComposite(v)
	}
}

func (f *filler) fillComposite(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		panic("storetest: cannot fill a " + v.Kind().String())
	}
}
