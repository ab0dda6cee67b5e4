// A connector's life through github.com/go-kafka/connect: created, looked at, paused, resumed, restarted, changed, deleted.
//
// usage: clients URL NAME CONFIG-AS-JSON
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/go-kafka/connect"
)

func main() {
	url, name := os.Args[1], os.Args[2]
	var config connect.ConnectorConfig
	check(json.Unmarshal([]byte(os.Args[3]), &config))
	client := connect.NewClient(url)

	created := connect.Connector{Name: name, Config: config}
	expect(http.StatusCreated)(client.CreateConnector(&created))
	until("it runs", func() bool { return isIn(client, name, "RUNNING") })
	names, _, err := client.ListConnectors()
	check(err)
	if !slices.Contains(names, name) {
		fail("it is not listed: %v", names)
	}
	shown, _, err := client.GetConnectorConfig(name)
	check(err)
	if shown["connector.class"] != config["connector.class"] || shown["name"] != name {
		fail("another config: %v", shown)
	}
	expect(http.StatusAccepted)(client.PauseConnector(name))
	until("it is paused", func() bool { return isIn(client, name, "PAUSED") })
	expect(http.StatusAccepted)(client.ResumeConnector(name))
	until("it runs again", func() bool { return isIn(client, name, "RUNNING") })
	expect(http.StatusNoContent)(client.RestartConnector(name))
	until("it runs after a restart", func() bool { return isIn(client, name, "RUNNING") })
	config["client.id"] = "changed"
	changed, _, err := client.UpdateConnectorConfig(name, config)
	check(err)
	if changed.Config["client.id"] != "changed" {
		fail("it has not changed: %v", changed)
	}
	until("it runs after a change", func() bool { return isIn(client, name, "RUNNING") })
	expect(http.StatusNoContent)(client.DeleteConnector(name))
	until("it is gone", func() bool {
		names, _, err := client.ListConnectors()
		return err == nil && !slices.Contains(names, name)
	})
	fmt.Println("a connector lived and died by github.com/go-kafka/connect")
}

func isIn(client *connect.Client, name, state string) bool {
	status, _, err := client.GetConnectorStatus(name)
	if err != nil || status.Connector.State != state || len(status.Tasks) == 0 {
		return false
	}
	return !slices.ContainsFunc(status.Tasks, func(task connect.TaskState) bool { return task.State != state })
}

func until(what string, holds func() bool) {
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			fail("not within a minute: %s", what)
		}
	}
}

func expect(status int) func(*http.Response, error) {
	return func(answer *http.Response, err error) {
		check(err)
		if answer.StatusCode != status {
			fail("%s instead of %d", answer.Status, status)
		}
	}
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
