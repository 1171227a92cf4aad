// Command go is the first function of a new appliance: it greets by name.
package main

import (
	"log/slog"

	"github.com/skiffhq/skiff/bootstrap/wasm/skiff"
)

// Person is the request.
type Person struct {
	Name string `json:"name"`
}

// Greeting is the answer.
type Greeting struct {
	Message string `json:"message"`
}

func init() { skiff.Handle(greet) }

func greet(ctx *skiff.Context, p Person) (Greeting, error) {
	if p.Name == "" {
		return Greeting{}, skiff.Errorf("BadRequest", `"name" is missing`)
	}
	skiff.Logf(slog.LevelInfo, "greeting %q for request %s", p.Name, ctx.RequestID())
	return Greeting{Message: "Hello, " + p.Name}, nil
}

// main is not run: a reactor is called through its handler.
func main() {}
