package sandboxtest

import "testing"

func TestFakeKeepsTheContract(t *testing.T) { Run(t, FakeSubject()) }
