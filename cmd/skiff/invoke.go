package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// maxPayload is the largest request; a contract value in bytes.
const maxPayload = 6 << 20

// invokeFlags are the flags of skiff invoke.
type invokeFlags struct {
	data, file string
	hasData    bool
	tail       bool
}

func (a *app) newInvokeCommand() *cobra.Command {
	var f invokeFlags
	cmd := a.printable(&cobra.Command{
		Use: "invoke NAME[:QUALIFIER]", Short: "Invoke a function and print its result",
		Long: `Invoke a function, wait, and print its own result on standard output, byte for
byte; the report goes to standard error. The qualifier is a version or an alias;
without one the newest code runs. The payload comes from --data, --file or
standard input. A function that fails ends with exit code 1.`,
		Example: `  skiff invoke hello --data '{"name": "Ada"}'
  skiff invoke hello:live --file event.json --tail
  cat photo.jpg | skiff invoke thumbs:3 > small.jpg
  skiff invoke hello -o json < event.json`,
		ValidArgsFunction: a.completeArgs(a.references),
	})
	cmd.Flags().StringVarP(&f.data, "data", "d", "", "payload, a `TEXT`")
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "`FILE` with the payload, - for standard input")
	cmd.Flags().BoolVar(&f.tail, "tail", false, "show what the function logged, on standard error")
	completeWith(cmd, "file", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		f.hasData = cmd.Flags().Changed("data")
		name, q, err := function.ParseReference(args[0])
		if err != nil {
			return err
		}
		payload, err := a.payload(f)
		if err != nil {
			return err
		}
		if a.json() {
			return a.invokeTyped(ctx, c, client.Invocation{Function: name, Qualifier: q, Payload: payload, Tail: f.tail})
		}
		return a.invokeRaw(ctx, c, client.RawInvocation{Function: name, Qualifier: q, Payload: payload, Tail: f.tail, Report: true})
	})
	return cmd
}

// payload reads standard input only where nobody sits in front of it.
func (a *app) payload(f invokeFlags) ([]byte, error) {
	switch {
	case f.hasData && f.file != "":
		return nil, usagef("the payload comes from --data or from --file, not from both")
	case f.hasData:
		if len(f.data) > maxPayload {
			return nil, usagef("--data has more than %s", bytesText(maxPayload))
		}
		return []byte(f.data), nil
	case f.file != "":
		return a.readAll(f.file, maxPayload)
	case a.terminal(a.in):
		return nil, nil
	}
	return a.readAll("-", maxPayload)
}

// invokeTyped prints the API's shape.
func (a *app) invokeTyped(ctx context.Context, c *client.Client, i client.Invocation) error {
	if len(i.Payload) > 0 {
		if !utf8.Valid(i.Payload) {
			return usagef("a payload that is not text cannot go with -o json")
		}
		// As a string it is handed over as it is, whether it is JSON or not.
		text, err := json.Marshal(string(i.Payload))
		if err != nil {
			return err
		}
		i.Payload = text
	}
	r, err := c.Invoke(ctx, i)
	if err != nil {
		return err
	}
	if err := a.show(r, nil); err != nil {
		return err
	}
	if r.FunctionError != "" {
		return errFunctionFailed
	}
	return nil
}

// invokeRaw prints the function's own bytes.
func (a *app) invokeRaw(ctx context.Context, c *client.Client, i client.RawInvocation) error {
	begin := a.now()
	r, err := c.InvokeRaw(ctx, i)
	if err != nil {
		return err
	}
	took := a.now().Sub(begin)
	if len(r.Log) > 0 {
		a.note("%s", strings.TrimRight(clean(string(r.Log)), "\n"))
	}
	if err := a.printBody(r.Body); err != nil {
		return err
	}
	if r.FunctionError != "" {
		a.failFunction(i.Function, r)
	}
	a.note("%s", a.report(r, float64(took.Microseconds())/1000))
	if r.FunctionError != "" {
		return errFunctionFailed
	}
	return nil
}

// printBody adds nothing but, for people, the end of the line.
func (a *app) printBody(body []byte) error {
	_, err := a.out.Write(body)
	if err == nil && a.terminal(a.out) && len(body) > 0 && !bytes.HasSuffix(body, []byte("\n")) {
		err = a.printf("\n")
	}
	if err != nil {
		return errors.Join(errors.New("write the function's result"), err)
	}
	return nil
}

// failFunction tells people what the function's failure was.
func (a *app) failFunction(name string, r *client.RawResult) {
	var f wire.FunctionFailure
	if json.Unmarshal(r.Body, &f) != nil || f.ErrorMessage == "" && f.ErrorType == "" {
		a.fail(fmt.Sprintf("function %s failed (%s)", name, r.FunctionError), "")
		return
	}
	text := fmt.Sprintf("function %s failed: %s: %s", name, first(f.ErrorType, r.FunctionError), f.ErrorMessage)
	for _, line := range f.StackTrace {
		text += "\n  " + line
	}
	a.fail(text, "")
}

// report is one line about an invocation.
func (a *app) report(r *client.RawResult, tookMS float64) string {
	parts := []string{"version " + first(r.ExecutedVersion, "unknown")}
	if rep := r.Report; rep != nil {
		start := "warm"
		if rep.WasColdStart {
			start = "cold start"
		}
		parts = append(parts, ms(rep.ExecutionTime), fmt.Sprintf("billed %d ms", rep.BilledDuration),
			fmt.Sprintf("memory %.1f MB", rep.MemoryUsed), start)
	} else {
		parts = append(parts, "answered in "+ms(tookMS))
	}
	return clean(strings.Join(append(parts, "request "+r.RequestID), " · "))
}
