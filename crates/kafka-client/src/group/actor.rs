//! The member's states, and what may interrupt them.
//!
//! Commands are looked at in every state: a leave ends everything at once, a join while another is under way is made after
//! it (the broker executes the requests of a connection one after the other, so it could not overtake it anyway).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::requests::{self, JoinAnswer, Membership};
use super::verdict::{Verdict, verdict};
use super::{Command, GroupEvent, GroupSettings, GroupStats};
use crate::cluster::{Cluster, CoordinatorKind, Purpose};
use crate::connection::Connection;
use crate::error::ClientError;

type Protocols = Vec<(String, Bytes)>;

pub(super) struct Actor {
    cluster: Cluster,
    settings: GroupSettings,
    commands: UnboundedReceiver<Command>,
    events: UnboundedSender<GroupEvent>,
    membership: Membership,
    /// When the coordinator last knew us.
    heard: Instant,
    stats: Arc<GroupStats>,
}

/// Where to go from a state.
enum Next {
    /// Join with these protocols.
    Join(Protocols),
    /// Outside of the group until someone wants to join.
    Outside,
    /// Nobody holds the member any more.
    End,
}

/// How a wait for an answer ended.
enum Waited<T> {
    Done(T),
    /// A command came that changes everything.
    Interrupted(Next),
}

impl Actor {
    pub(super) fn new(
        cluster: Cluster,
        settings: GroupSettings,
        commands: UnboundedReceiver<Command>,
        events: UnboundedSender<GroupEvent>,
        stats: Arc<GroupStats>,
    ) -> Self {
        Self { cluster, settings, commands, events, membership: Membership::default(), heard: Instant::now(), stats }
    }

    pub(super) async fn run(mut self) {
        let mut next = Next::Outside;
        loop {
            next = match next {
                Next::Outside => self.outside().await,
                Next::Join(protocols) => self.join(protocols).await,
                Next::End => return,
            };
        }
    }

    async fn outside(&mut self) -> Next {
        loop {
            match self.commands.recv().await {
                None => return Next::End,
                Some(Command::Join(protocols)) => return Next::Join(protocols),
                Some(Command::Sync { .. }) => debug!("sync without a join, ignored"),
                Some(Command::Leave(done)) => return self.leave(done).await,
            }
        }
    }

    /// Joins until it works, then waits for the assignments.
    async fn join(&mut self, protocols: Protocols) -> Next {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let attempt = attempt_join(
                self.cluster.clone(),
                self.settings.clone(),
                self.membership.member_id.clone(),
                protocols.clone(),
            );
            let refused = match self.wait_joining(attempt).await {
                Waited::Interrupted(next) => return next,
                Waited::Done((Ok(answer), None)) => {
                    self.stats.join.took(began.elapsed());
                    return self.joined(answer).await;
                }
                // What has been joined is out of date already.
                Waited::Done((Ok(answer), Some(newer))) => {
                    self.membership = answer.membership;
                    return Next::Join(newer);
                }
                Waited::Done((Err(_), Some(newer))) => return Next::Join(newer),
                Waited::Done((Err(refused), None)) => refused,
            };
            match verdict(&refused.error, &self.settings.group_id) {
                Verdict::TakeId => self.membership.member_id = refused.member_id.unwrap_or_default(),
                Verdict::Anew => self.membership = Membership::default(),
                Verdict::Rejoin | Verdict::Stale => {}
                Verdict::Again => {
                    failures += 1;
                    let error = &refused.error;
                    if failures % 10 == 1 {
                        warn!(%error, failures, "cannot join the group yet, trying again");
                    }
                    self.emit(self.unknown());
                    self.forget_coordinator();
                    if let Waited::Interrupted(next) = self.pause(failures).await {
                        return next;
                    }
                }
                Verdict::Fatal(reason) => {
                    self.emit(GroupEvent::Fatal { reason });
                    return Next::Outside;
                }
            }
        }
    }

    async fn joined(&mut self, answer: JoinAnswer) -> Next {
        self.membership = answer.membership;
        self.heard = Instant::now();
        info!(generation = self.membership.generation, member_id = self.membership.member_id, "joined the group");
        self.emit(GroupEvent::Joined {
            generation: self.membership.generation,
            member_id: self.membership.member_id.clone(),
            leader_id: answer.leader_id,
            protocol: self.membership.protocol.clone(),
            members: answer.members,
        });
        self.member().await
    }

    /// A member: heartbeats, and SyncGroup when the assignments are there.
    async fn member(&mut self) -> Next {
        let every = self.settings.heartbeat_interval.max(Duration::from_millis(1));
        let mut beats = interval_at(Instant::now() + every, every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The last heartbeat was not answered, and the owner has been told.
        let mut failing = false;
        loop {
            let command = tokio::select! {
                command = self.commands.recv() => command,
                _ = beats.tick() => {
                    match self.beat(&mut failing).await {
                        Waited::Done(()) => continue,
                        Waited::Interrupted(next) => return next,
                    }
                }
            };
            match command {
                None => return Next::End,
                Some(Command::Join(protocols)) => return Next::Join(protocols),
                Some(Command::Leave(done)) => return self.leave(done).await,
                Some(Command::Sync { generation, .. }) if generation != self.membership.generation => {
                    debug!(generation, "sync of another generation, ignored");
                }
                Some(Command::Sync { assignments, .. }) => match self.sync(assignments).await {
                    Waited::Done(()) => self.heard = Instant::now(),
                    Waited::Interrupted(next) => return next,
                },
            }
        }
    }

    async fn sync(&mut self, assignments: Protocols) -> Waited<()> {
        let (cluster, settings, membership) = (self.cluster.clone(), self.settings.clone(), self.membership.clone());
        let attempt = async move {
            let connection = coordinator(&cluster, &settings).await?;
            requests::sync(&connection, &settings, &membership, &assignments).await
        };
        let began = Instant::now();
        let error = match self.wait(attempt).await {
            Waited::Interrupted(next) => return Waited::Interrupted(next),
            Waited::Done(Ok(assignment)) => {
                self.stats.sync.took(began.elapsed());
                self.emit(GroupEvent::Synced { generation: self.membership.generation, assignment });
                return Waited::Done(());
            }
            Waited::Done(Err(error)) => error,
        };
        match verdict(&error, &self.settings.group_id) {
            Verdict::Rejoin => self.emit(GroupEvent::RebalanceNeeded),
            Verdict::Again => {
                self.forget_coordinator();
                self.emit(GroupEvent::RebalanceNeeded);
            }
            Verdict::Fatal(reason) => {
                self.emit(GroupEvent::Fatal { reason });
                return Waited::Interrupted(Next::Outside);
            }
            Verdict::Stale => return Waited::Interrupted(self.lost(&error)),
            Verdict::Anew | Verdict::TakeId => {
                self.membership = Membership::default();
                return Waited::Interrupted(self.lost(&error));
            }
        }
        Waited::Done(())
    }

    /// One heartbeat.
    async fn beat(&mut self, failing: &mut bool) -> Waited<()> {
        let sent = Instant::now();
        let (cluster, settings, membership) = (self.cluster.clone(), self.settings.clone(), self.membership.clone());
        let beat = async move {
            let connection = coordinator(&cluster, &settings).await?;
            requests::heartbeat(&connection, &settings, &membership).await
        };
        let (events, heard) = (self.events.clone(), self.heard);
        let safe = self.settings.session_timeout.saturating_sub(self.settings.heartbeat_interval);
        let attempt = async move {
            tokio::pin!(beat);
            match timeout_at(heard + safe, &mut beat).await {
                Ok(answer) => (answer, false),
                // It may hang for longer than the session lasts.
                Err(_) => {
                    let _ = events.send(GroupEvent::CoordinatorUnknown { unheard: heard.elapsed() });
                    (beat.await, true)
                }
            }
        };
        let error = match self.wait(attempt).await {
            Waited::Interrupted(next) => return Waited::Interrupted(next),
            Waited::Done((Ok(()), told)) => {
                self.heard = sent;
                self.stats.heartbeat.took(sent.elapsed());
                if std::mem::take(failing) || told {
                    self.emit(GroupEvent::CoordinatorKnown);
                }
                return Waited::Done(());
            }
            Waited::Done((Err(error), _)) => error,
        };
        match verdict(&error, &self.settings.group_id) {
            Verdict::Rejoin => {
                self.heard = sent;
                *failing = false;
                self.emit(GroupEvent::RebalanceNeeded);
            }
            Verdict::Again => {
                warn!(%error, "heartbeat failed");
                self.forget_coordinator();
                *failing = true;
                self.emit(self.unknown());
                if self.heard.elapsed() >= self.settings.session_timeout {
                    return Waited::Interrupted(self.lost(&error));
                }
            }
            Verdict::Fatal(reason) => {
                self.emit(GroupEvent::Fatal { reason });
                return Waited::Interrupted(Next::Outside);
            }
            Verdict::Stale => return Waited::Interrupted(self.lost(&error)),
            Verdict::Anew | Verdict::TakeId => {
                self.membership = Membership::default();
                return Waited::Interrupted(self.lost(&error));
            }
        }
        Waited::Done(())
    }

    fn unknown(&self) -> GroupEvent {
        GroupEvent::CoordinatorUnknown { unheard: self.heard.elapsed() }
    }

    fn lost(&self, error: &ClientError) -> Next {
        self.emit(GroupEvent::Lost { reason: error.to_string() });
        Next::Outside
    }

    async fn leave(&mut self, done: oneshot::Sender<()>) -> Next {
        let membership = std::mem::take(&mut self.membership);
        if !membership.member_id.is_empty() {
            let left = timeout(self.settings.heartbeat_interval.max(Duration::from_secs(3)), async {
                // Not on the member's own connection: a JoinGroup may be waiting there.
                let kind = CoordinatorKind::Group;
                let connection = self.cluster.coordinator_for(kind, &self.settings.group_id, Purpose::Control).await?;
                requests::leave(&connection, &self.settings, &membership.member_id).await
            });
            match left.await {
                Ok(Ok(())) => info!("left the group"),
                Ok(Err(error)) => warn!(%error, "could not leave the group; it notices after session.timeout.ms"),
                Err(_) => warn!("could not leave the group in time; it notices after session.timeout.ms"),
            }
        }
        // Whoever asked may not wait any more.
        let _ = done.send(());
        Next::Outside
    }

    /// Waits for an answer while commands come in. A join or a leave gives the answer up.
    async fn wait<T>(&mut self, answer: impl Future<Output = T>) -> Waited<T> {
        tokio::pin!(answer);
        loop {
            let command = tokio::select! {
                answer = &mut answer => return Waited::Done(answer),
                command = self.commands.recv() => command,
            };
            match command {
                None => return Waited::Interrupted(Next::End),
                Some(Command::Join(protocols)) => return Waited::Interrupted(Next::Join(protocols)),
                Some(Command::Leave(done)) => return Waited::Interrupted(self.leave(done).await),
                Some(Command::Sync { .. }) => debug!("sync without a join, ignored"),
            }
        }
    }

    /// Waits for a join. A newer join is remembered, a leave gives the answer up.
    async fn wait_joining<T>(&mut self, answer: impl Future<Output = T>) -> Waited<(T, Option<Protocols>)> {
        tokio::pin!(answer);
        let mut newer = None;
        loop {
            let command = tokio::select! {
                answer = &mut answer => return Waited::Done((answer, newer)),
                command = self.commands.recv() => command,
            };
            match command {
                None => return Waited::Interrupted(Next::End),
                Some(Command::Join(protocols)) => newer = Some(protocols),
                Some(Command::Leave(done)) => return Waited::Interrupted(self.leave(done).await),
                Some(Command::Sync { .. }) => debug!("sync without a join, ignored"),
            }
        }
    }

    async fn pause(&mut self, failures: u32) -> Waited<()> {
        let config = self.cluster.config();
        let doubled = config.retry_backoff() * 2u32.saturating_pow(failures.min(10) - 1);
        let wait = doubled.min(config.retry_backoff_max());
        self.wait(sleep(wait)).await
    }

    fn forget_coordinator(&self) {
        self.cluster.forget_coordinator(CoordinatorKind::Group, &self.settings.group_id);
    }

    fn emit(&self, event: GroupEvent) {
        // Without a receiver nobody needs to know; the commands' end stops the actor.
        let _ = self.events.send(event);
    }
}

async fn coordinator(cluster: &Cluster, settings: &GroupSettings) -> Result<Connection, ClientError> {
    cluster.coordinator(CoordinatorKind::Group, &settings.group_id).await
}

async fn attempt_join(
    cluster: Cluster,
    settings: GroupSettings,
    member_id: String,
    protocols: Protocols,
) -> Result<JoinAnswer, requests::JoinRefused> {
    // Longer than a session nobody waits to be told where to join.
    let found = timeout(settings.session_timeout, coordinator(&cluster, &settings)).await;
    let found =
        found.unwrap_or_else(|_| Err(ClientError::timeout("finding the coordinator", settings.session_timeout)));
    let connection = found.map_err(|error| requests::JoinRefused { error, member_id: None })?;
    requests::join(&connection, &settings, &member_id, &protocols).await
}
