package store

import (
	"context"
	"fmt"
	"testing"
)

func TestSpaceOfDeletedLargeValuesComesBack(t *testing.T) {
	dir := t.TempDir()
	s := New(Options{Dir: dir})
	must(t, s.Start(context.Background()))
	const n = 70 // MiB, more than one file of the value log
	for i := range n {
		must(t, s.update(context.Background(), put(fmt.Sprint("large-", i), 1<<20)))
	}
	must(t, s.update(context.Background(), func(tx *tx) error { return tx.deleteAll(prefixOf(kindFunction)) }))
	must(t, s.update(context.Background(), put("kept", 1<<20)))
	for i := range levelZeroStall { // each stop makes a table, until they are compacted
		stop(t, s)
		s = New(Options{Dir: dir})
		must(t, s.Start(context.Background()))
		must(t, s.update(context.Background(), put(fmt.Sprint("small-", i), 1)))
	}
	stop(t, s)

	s = started(t, Options{Dir: dir})
	_, before := diskUse(dir)
	must(t, s.db.Flatten(1)) // compaction finds out what is garbage
	s.collectGarbage()
	if _, after := diskUse(dir); before < n<<20 || after > 20<<20 {
		t.Errorf("%d MiB before, %d MiB after", before>>20, after>>20)
	}
	if got := get(t, s, append(prefixOf(kindFunction), "kept"...)); len(got) != 1<<20 {
		t.Errorf("what was kept has %d bytes", len(got))
	}
}
