package function_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func ExamplePatch_Apply() {
	var p function.Patch
	body := `{"runtime": "Nodejs20.x", "handler": "index", "timeout": 901, "scaling": {"minInstances": 200}}`
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		panic(err)
	}
	runtimes := function.NewCatalogue()
	f := function.Default()
	f.Name = "hello"
	var faults fault.Collector
	p.Apply(&f, runtimes, &faults)
	f.Check(runtimes, &faults)
	for _, d := range fault.Of(faults.Err("create function %q", f.Name)).Details {
		fmt.Printf("%s: %s\n", d.Field, d.Message)
	}
	// Output:
	// handler: must be "file.export", such as "index.handler"
	// timeout: must be 1 to 900 seconds
	// scaling.minInstances: must not be above maxInstances
}

func ExampleDeployment_Become() {
	d := function.Deployment{ID: "d1", FunctionName: "hello", Status: function.DeploymentPending}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fmt.Println(d.Become(function.DeploymentCompleted, "", now))
	fmt.Println(d.Become(function.DeploymentInProgress, "", now), d.Status)
	fmt.Println(d.Become(function.DeploymentRolledBack, "too many errors", now), d.Status)
	// Output:
	// deployment "d1" of function "hello" is Pending and cannot become Completed
	// <nil> InProgress
	// <nil> RolledBack
}
