package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
)

func ExampleClient_InvokeRaw() {
	appliance := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Executed-Version", "3")
		_, _ = io.WriteString(w, `{"message":"Hello, Ada"}`)
	}))
	defer appliance.Close()

	c, err := client.New(client.Options{Server: appliance.URL, Token: "…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	r, err := c.InvokeRaw(context.Background(), client.RawInvocation{
		Function: "hello", Qualifier: function.Qualifier{Alias: "live"}, Payload: []byte(`{"name":"Ada"}`),
	})
	if err != nil {
		fmt.Println(err) // *client.Error where the appliance refused
		return
	}
	fmt.Printf("version %s: %s\n", r.ExecutedVersion, r.Body)
	// Output: version 3: {"message":"Hello, Ada"}
}
