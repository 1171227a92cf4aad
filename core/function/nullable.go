package function

import "encoding/json"

// Nullable tells a JSON value that was not given (the zero value) from null
// (Set without Value) and from a value.
type Nullable[T any] struct {
	Set   bool
	Value *T
}

// Some returns a Nullable that holds v.
func Some[T any](v T) Nullable[T] { return Nullable[T]{Set: true, Value: &v} }

// Null returns a Nullable that holds null.
func Null[T any]() Nullable[T] { return Nullable[T]{Set: true} }

// MarshalJSON writes the value or null.
func (n Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value) }

// UnmarshalJSON reads a value or null; the JSON decoder calls it only where
// the field is given.
func (n *Nullable[T]) UnmarshalJSON(b []byte) error {
	n.Set = true
	return json.Unmarshal(b, &n.Value)
}
