package scenario

import (
	"bytes"
	"os"
	"runtime"
	"strings"
)

// Machine is what the figures were taken on: they mean nothing without it.
type Machine struct {
	CPUs   int    `json:"cpus"`
	Model  string `json:"model"`
	Kernel string `json:"kernel"`
	OS     string `json:"os"` // the distribution
	Go     string `json:"go"` // that built this program
}

// describe reads what the kernel tells; what it does not tell stays empty.
func describe() Machine {
	return Machine{
		CPUs:   runtime.NumCPU(),
		Model:  field("/proc/cpuinfo", "model name", ":"),
		Kernel: strings.TrimSpace(content("/proc/sys/kernel/osrelease")),
		OS:     strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`),
		Go:     runtime.Version() + " " + runtime.GOARCH,
	}
}

func content(path string) string {
	raw, _ := os.ReadFile(path)
	return string(raw)
}

// field returns the value of the first line "key SEPARATOR value".
func field(path, key, separator string) string {
	for line := range bytes.Lines([]byte(content(path))) {
		name, value, ok := strings.Cut(string(line), separator)
		if ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
