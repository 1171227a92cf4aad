package store_test

import (
	"testing"

	"github.com/skiffhq/skiff/core/store"
	"github.com/skiffhq/skiff/core/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Subject{Durable: true, New: func(_ testing.TB, dir string) storetest.Store {
		return store.New(store.Options{Dir: dir})
	}})
}
