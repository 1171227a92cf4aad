// Command adds a greeting to the JSON object on its standard input.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	in, _ := io.ReadAll(os.Stdin)
	var m map[string]any
	if err := json.Unmarshal(in, &m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m["hello"] = "world"
	out, _ := json.Marshal(m)
	os.Stdout.Write(out)
}
