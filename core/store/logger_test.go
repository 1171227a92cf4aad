package store

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// badgerSource is the path of one of Badger's files, as it was compiled.
func badgerSource(t *testing.T, name string) string {
	t.Helper()
	fn := runtime.FuncForPC(reflect.ValueOf(badger.Open).Pointer())
	file, _ := fn.FileLine(fn.Entry())
	return filepath.Join(filepath.Dir(file), name)
}

func TestBadgersLinesGoToTheLog(t *testing.T) {
	var out bytes.Buffer
	l := &logger{slog.New(slog.NewTextHandler(&out, nil)), &health{}}
	l.Debugf("never %d", 1)
	l.Infof("not at this level %d", 2)
	l.Warningf("warned %d\n", 3)
	l.Errorf("failed %d\n", 4)
	got := out.String()
	if strings.Contains(got, "never") || strings.Contains(got, "not at") ||
		!strings.Contains(got, `level=WARN msg="badger says" text="warned 3"`) || !strings.Contains(got, `level=ERROR msg="badger says" text="failed 4"`) {
		t.Errorf("logged:\n%s", got)
	}
	if l.health.lost() != nil {
		t.Error("any error counts as a lost write")
	}
}
