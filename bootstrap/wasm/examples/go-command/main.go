// Command go-command is a function without any SDK: the event comes on
// standard input, the result goes to standard output, the log to standard
// error. An exit code other than 0 fails the invocation.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := greet(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// greet answers {"name":"Ada"} with {"message":"Hello, Ada"}.
func greet(in io.Reader, out io.Writer) error {
	var person struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(in).Decode(&person); err != nil {
		return fmt.Errorf("decode the event: %w", err)
	}
	if person.Name == "" {
		return fmt.Errorf(`"name" is missing`)
	}
	fmt.Fprintf(os.Stderr, "greeting %q for request %s\n", person.Name, os.Getenv("SKIFF_REQUEST_ID"))
	return json.NewEncoder(out).Encode(map[string]string{"message": "Hello, " + person.Name})
}
