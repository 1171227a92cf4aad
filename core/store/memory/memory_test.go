package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/store/memory"
	"github.com/skiffhq/skiff/core/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Subject{New: func(testing.TB, string) storetest.Store { return memory.New() }})
}
