"""A connector's life through kafka-connect-py: created, looked at, paused, resumed, restarted, changed, deleted.

usage: life.py URL NAME CONFIG-AS-JSON
"""

import json
import sys
import time

from kafka_connect import KafkaConnect


def until(what, ask, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            seen = ask()
        except Exception as error:  # what is not there yet is answered with an error
            seen = repr(error)
        if seen is True:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: {seen}")
        time.sleep(0.1)


def main(url, name, config):
    connect = KafkaConnect(url=url)
    assert connect.get_cluster_info()["version"] == "4.3.0"
    plugins = [plugin["class"] for plugin in connect.list_connector_plugins()]
    assert config["connector.class"] in plugins, plugins
    report = connect.validate_connector_config(config["connector.class"], {**config, "name": name})
    assert report["error_count"] == 0, report

    def is_in(state):
        def ask():
            status = connect.get_connector_status(name)
            states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
            return (len(states) > 1 and set(states) == {state}) or status

        until(f"{name} is {state}", ask)

    created = connect.create_connector({"name": name, "config": config})
    assert created["name"] == name and created["config"]["name"] == name, created
    is_in("RUNNING")
    assert name in connect.list_connectors()
    assert name in connect.list_connectors(expand="status")
    assert connect.get_connector_config(name)["connector.class"] == config["connector.class"]
    connect.pause_connector(name)
    is_in("PAUSED")
    connect.resume_connector(name)
    is_in("RUNNING")
    # The client sends its booleans as True and False.
    connect.restart_connector(name, include_tasks=True, only_failed=False)
    is_in("RUNNING")
    connect.restart_connector_task(name, 0)
    is_in("RUNNING")
    connect.update_connector(name, {**config, "tasks.max": "1", "client.id": "changed"})
    until("the change is shown", lambda: connect.get_connector_config(name).get("client.id") == "changed")
    is_in("RUNNING")
    connect.list_connector_topics(name)
    connect.delete_connector(name)
    until(f"{name} is gone", lambda: name not in connect.list_connectors())


main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
print("a connector lived and died by kafka-connect-py")
