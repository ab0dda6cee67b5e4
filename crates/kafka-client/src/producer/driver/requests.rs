//! Making requests of what is ready, and taking in their answers.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use tracing::debug;

use super::super::error::ProduceError;
use super::super::link::{Dispatch, Reply};
use super::super::state::{Ack, Answer, Outcome, Settled};
use super::{Driver, Job, Partition};
use crate::codes::ErrorCode;
use crate::connection::{ProduceFrame, ProducePartition, ProduceTopic};

impl Driver {
    /// Sends whatever may be sent now.
    pub(super) fn dispatch(&mut self) {
        let node_ids: Vec<i32> =
            self.brokers.iter().filter(|(_, broker)| broker.is_ready()).map(|(id, _)| *id).collect();
        self.company_until_ms = None;
        for node_id in node_ids {
            while self.may_send(node_id) && self.dispatch_one(node_id) {}
        }
    }

    /// Whether the next request to a broker may go now. If not, a reply or a timer brings us back.
    fn may_send(&mut self, node_id: i32) -> bool {
        let now_ms = self.now_ms();
        let Some(broker) = self.brokers.get(&node_id) else { return false };
        if broker.under_way().len() >= self.options.max_in_flight_requests {
            return false;
        }
        let may_come = |requests: &[u64]| {
            let tickets = requests.iter().filter_map(|request| self.requests.get(request)).flatten();
            tickets.into_iter().any(|(p, _)| !self.partitions[*p].queued)
        };
        let linger_ms = self.options.linger.as_millis() as u64;
        match broker.waits_until_ms(self.options.max_request_bytes, linger_ms, may_come).filter(|at| *at > now_ms) {
            None => true,
            Some(at_ms) => {
                self.company_until_ms = Some(self.company_until_ms.map_or(at_ms, |other| other.min(at_ms)));
                false
            }
        }
    }

    /// Makes one request to a broker of what is ready for it, one batch per partition. `false` when there was nothing.
    fn dispatch_one(&mut self, node_id: i32) -> bool {
        let now_ms = self.now_ms();
        let mut topics: HashMap<Arc<str>, Vec<ProducePartition>> = HashMap::new();
        let mut tickets = Vec::new();
        let mut looked_at = Vec::new();
        let mut bytes = 0;
        while let Some(p) = self.broker(node_id).pop_ready() {
            let partition = &mut self.partitions[p];
            let leader = self.metadata.leader(&partition.topic, partition.index).map(|(leader, _)| leader);
            if leader == Some(node_id) && partition.line.sendable_at(node_id, now_ms).is_some_and(|at| at <= now_ms) {
                let batch_bytes = partition.line.first_to_send().map_or(0, |job| job.batch.len());
                if bytes > 0 && bytes + batch_bytes > self.options.max_request_bytes {
                    self.broker(node_id).put_back(p, batch_bytes);
                    break;
                }
                if let Some((ticket, stamp, job)) = partition.line.take(node_id, now_ms) {
                    bytes += batch_bytes;
                    let stamped = job.batch.restamp(stamp);
                    let batch =
                        ProducePartition { index: partition.index, header: stamped.header, payload: stamped.payload };
                    topics.entry(Arc::clone(&partition.topic)).or_default().push(batch);
                    tickets.push((p, ticket));
                }
            }
            partition.queued = false;
            looked_at.push(p);
        }
        let sent = !tickets.is_empty();
        if sent {
            let request = self.next_request;
            self.next_request += 1;
            self.requests.insert(request, tickets);
            let topics = topics.into_iter();
            let frame = ProduceFrame {
                acks: self.options.acks,
                transactional_id: self.options.transactional_id.clone(),
                timeout_ms: i32::try_from(self.options.request_timeout.as_millis()).unwrap_or(i32::MAX),
                topics: topics.map(|(name, partitions)| ProduceTopic { name: name.to_string(), partitions }).collect(),
            };
            let broker = self.broker(node_id);
            broker.sent(request, now_ms);
            // The link lives as long as this sender.
            let _ = broker.link.send(Dispatch { request, frame });
        }
        for p in looked_at {
            self.route(p);
        }
        sent
    }

    pub(super) fn replied(&mut self, node_id: i32, request: u64, reply: Reply) {
        let tickets = self.requests.remove(&request).unwrap_or_default();
        let now_ms = self.now_ms();
        let (mut answers, silence) = match &reply {
            // A partition that the broker has not mentioned is one that it did not answer.
            Reply::Answered(response) => (self.answers(response), Answer::Lost),
            Reply::Lost(_) => (HashMap::new(), Answer::Lost),
            Reply::NotSent(_) => (HashMap::new(), Answer::NotSent),
        };
        self.broker(node_id).heard(node_id, request, reply);
        let mut stale_metadata = false;
        for (p, ticket) in tickets {
            let answer = answers.remove(&p).unwrap_or_else(|| silence.clone());
            let partition = &mut self.partitions[p];
            if let Answer::Failed { code, message } = &answer {
                debug!(topic = %partition.topic, partition = partition.index, error = %code, message, "batch not taken");
            }
            let mut settled = Vec::new();
            stale_metadata |= partition.line.answer(ticket, answer, now_ms, &mut settled);
            self.settle(p, settled);
            self.route(p);
        }
        if stale_metadata {
            self.refresh();
        }
    }

    /// The broker's answers by partition; their order is not that of the request.
    fn answers(&self, response: &ProduceResponse) -> HashMap<usize, Answer> {
        let topics = response.responses.iter();
        topics
            .flat_map(|topic| topic.partition_responses.iter().map(move |partition| (topic, partition)))
            .filter_map(|(topic, partition)| Some((self.known(&topic.name, partition.index)?, answer(partition))))
            .collect()
    }

    /// Tells those who wait how their batches ended.
    pub(super) fn settle(&mut self, p: usize, settled: Vec<Settled<Job>>) {
        let Partition { topic, index: partition, .. } = &self.partitions[p];
        for (job, outcome) in settled {
            let (topic, partition) = (Arc::clone(topic), *partition);
            let result = match outcome {
                Outcome::Acked(ack) => Ok(ack),
                Outcome::Rejected { code, message, maybe_written } => {
                    Err(ProduceError::Rejected { topic, partition, code, message, maybe_written })
                }
                Outcome::Skipped { maybe_written } => Err(ProduceError::Skipped { topic, partition, maybe_written }),
                Outcome::Expired { last_code, maybe_written } => {
                    Err(ProduceError::TimedOut { topic, partition, last_code, maybe_written })
                }
            };
            if let (Err(error), Some(scope)) = (&result, &mut self.scope) {
                scope.fail(error);
            }
            // Not everybody waits for an acknowledgement.
            let _ = job.reply.send(result);
            drop(job.permit);
            self.progress.end(job.generation);
        }
        self.abandoned();
    }
}

fn answer(partition: &PartitionProduceResponse) -> Answer {
    match ErrorCode(partition.error_code) {
        ErrorCode::NONE => Answer::Acked(Ack {
            base_offset: Some(partition.base_offset).filter(|&offset| offset >= 0),
            log_append_time_ms: Some(partition.log_append_time_ms).filter(|&time| time >= 0),
        }),
        code => {
            // What is wrong with the first bad record says more than the sentence about the batch.
            let record = partition.record_errors.first().and_then(|record| record.batch_index_error_message.as_ref());
            Answer::Failed { code, message: record.or(partition.error_message.as_ref()).map(ToString::to_string) }
        }
    }
}
