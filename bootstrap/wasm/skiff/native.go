//go:build !wasip1

package skiff

import (
	"fmt"
	"os"
)

// hostLog stands in for the host where there is none.
func hostLog(level int32, text string) { fmt.Fprintln(os.Stderr, slogLevel(level), text) }
