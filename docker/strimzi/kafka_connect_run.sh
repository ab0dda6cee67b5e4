#!/bin/sh
# The entry of a Kafka Connect image as Strimzi's operator starts it, with Portage behind it.
#
# The operator mounts custom-config/kafka-connect.properties (and log4j2.properties) below KAFKA_HOME, sets the environment,
# and asks for /health on 8083 and for metrics on 9404. What it sets for the JVM alone is not looked at.
set -eu

KAFKA_HOME="${KAFKA_HOME:-/opt/kafka}"
PORTAGE="${PORTAGE:-/usr/bin/portage}"
# References such as ${strimzifile:/tmp/strimzi-connect.properties:…} name this file.
CONFIG="${STRIMZI_CONFIG_FILE:-/tmp/strimzi-connect.properties}"
GIVEN="$KAFKA_HOME/custom-config/kafka-connect.properties"
LOGGERS="$KAFKA_HOME/custom-config/log4j2.properties"

if [ ! -r "$GIVEN" ]; then
    echo "kafka_connect_run.sh: cannot read $GIVEN; the operator mounts it there" >&2
    exit 2
fi

# Pods are known by the names that their headless service gives them. ${strimzienv:ADVERTISED_HOSTNAME} reads it.
ADVERTISED_HOSTNAME="${ADVERTISED_HOSTNAME:-$(hostname -f | cut -d . -f 1-4)}"
export ADVERTISED_HOSTNAME

umask 077
cp "$GIVEN" "$CONFIG"

# Which exporter's names the dashboards were made for. What the file says itself comes first.
if ! grep -q '^portage\.metrics\.profile' "$CONFIG"; then
    if grep -q '^metric\.reporters.*KafkaPrometheusMetricsReporter' "$CONFIG"; then
        PROFILE=native,strimzi-reporter
    else
        PROFILE=native,strimzi-jmx
    fi
    printf '\nportage.metrics.profile=%s\n' "$PROFILE" >> "$CONFIG"
fi
if ! grep -q '^portage\.metrics\.listeners' "$CONFIG"; then
    printf '\nportage.metrics.listeners=http://:9404\n' >> "$CONFIG"
fi

set -- worker "$CONFIG"
if [ -r "$LOGGERS" ]; then
    set -- "$@" --log-config "$LOGGERS"
fi
if command -v tini > /dev/null 2>&1; then
    # An end by SIGTERM is a good end.
    exec tini -w -e 143 -- "$PORTAGE" "$@"
fi
exec "$PORTAGE" "$@"
