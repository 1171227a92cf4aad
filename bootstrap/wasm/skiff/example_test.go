package skiff_test

import (
	"fmt"
	"log/slog"

	"github.com/skiffhq/skiff/bootstrap/wasm/skiff"
)

type order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

type receipt struct {
	Text string `json:"text"`
}

func sell(ctx *skiff.Context, o order) (receipt, error) {
	if o.Count < 1 {
		return receipt{}, skiff.Errorf("BadRequest", "count is %d, want 1 or more", o.Count)
	}
	skiff.Logf(slog.LevelInfo, "selling for %s", ctx.RequestID())
	return receipt{fmt.Sprintf("%d × %s", o.Count, o.Item)}, nil
}

// A handler is tested like any other function, or with what the appliance
// does around it: encodings, error results and the log.
func ExampleInvoke() {
	r := skiff.Invoke(skiff.JSON(sell), skiff.Meta{RequestID: "req-1"}, []byte(`{"item":"rope","count":2}`))
	fmt.Println(string(r.Payload), r.Logs[0].Message)

	r = skiff.Invoke(skiff.JSON(sell), skiff.Meta{}, []byte(`{"item":"rope"}`))
	fmt.Println(r.Err.Type, "-", r.Err.Message)
	// Output:
	// {"text":"2 × rope"} selling for req-1
	// BadRequest - count is 0, want 1 or more
}
