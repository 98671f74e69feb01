//! The one owner of the ledger, and of the tasks that see to workers.
//!
//! Whoever wants something of the workers gives an order. An order changes the ledger; the changed ledger is on the
//! disk before the order is answered; and then what runs is made what is wanted ([`reconcile`]). Nothing else starts a
//! worker's task or tells it to end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rbee_artifacts::{ModelEntry, WorkerId};
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{narrate, narrate_error};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::reconcile::{self, Step};
use crate::domain::{Aim, Desired, Failure, Keep, Ledger, Proof, Wish};
use crate::ledger::{LedgerError, LedgerFile};

/// Orders that may wait.
const WAITING: usize = 256;

/// How long after a failed write the ledger is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(5);

/// Why an order is not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OrderError {
    /// No such worker is wanted.
    #[error("the worker is not wanted")]
    Unknown,
    /// The hive is to be empty.
    #[error("the hive is draining")]
    Draining,
    /// The hive ends.
    #[error("the hive is shutting down")]
    ShuttingDown,
    /// The ledger can't be written.
    #[error("the ledger can't be written")]
    Ledger(#[source] Arc<LedgerError>),
}

type Reply<T = ()> = oneshot::Sender<Result<T, OrderError>>;

/// Something to be changed.
enum Order {
    Spawn(Box<Desired>, Reply),
    Stop(WorkerId, Option<Duration>, Reply),
    Restart(WorkerId, Option<Duration>, Reply),
    Keep(WorkerId, Box<dyn FnOnce(&mut Keep) + Send>, Reply),
    Drain(Option<Duration>, Reply),
    Resume(Reply),
    Attach(WorkerId, Vec<ModelEntry>, Reply<Vec<ModelEntry>>),
    Note(WorkerId, Note, Reply),
    Ended(WorkerId),
}

/// What is learned of a worker that is wanted.
#[derive(Debug)]
pub(crate) enum Note {
    /// It is ready.
    Proven(Box<Proof>),
    /// It failed.
    Failed(Failure),
}

/// The way to give orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    orders: mpsc::Sender<Order>,
    draining: watch::Receiver<bool>,
}

impl Orders {
    /// Wants a worker.
    pub(crate) async fn spawn(&self, desired: Desired) -> Result<(), OrderError> {
        self.give(|reply| Order::Spawn(Box::new(desired), reply)).await
    }

    /// Wants a worker no more; requests that run may go on for `grace`, or as configured.
    pub(crate) async fn stop(&self, id: &WorkerId, grace: Option<Duration>) -> Result<(), OrderError> {
        self.give(|reply| Order::Stop(id.clone(), grace, reply)).await
    }

    /// Wants a worker started anew; requests that run may go on for `grace`, or as configured.
    pub(crate) async fn restart(&self, id: &WorkerId, grace: Option<Duration>) -> Result<(), OrderError> {
        self.give(|reply| Order::Restart(id.clone(), grace, reply)).await
    }

    /// Changes how long a worker is kept.
    pub(crate) async fn keep(
        &self,
        id: &WorkerId,
        change: impl FnOnce(&mut Keep) + Send + 'static,
    ) -> Result<(), OrderError> {
        self.give(|reply| Order::Keep(id.clone(), Box::new(change), reply))
            .await
    }

    /// Wants these to be usable by a worker's requests, and answers all that are. None ask what there is.
    pub(crate) async fn attach(
        &self,
        id: &WorkerId,
        add_ons: Vec<ModelEntry>,
    ) -> Result<Vec<ModelEntry>, OrderError> {
        self.give(|reply| Order::Attach(id.clone(), add_ons, reply)).await
    }

    /// Wants the hive empty; requests that run may go on for `grace`, or as configured.
    pub(crate) async fn drain(&self, grace: Option<Duration>) -> Result<(), OrderError> {
        self.give(|reply| Order::Drain(grace, reply)).await
    }

    /// Wants the hive no longer empty.
    pub(crate) async fn resume(&self) -> Result<(), OrderError> {
        self.give(Order::Resume).await
    }

    /// Notes what was learned of a worker.
    pub(crate) async fn note(&self, id: &WorkerId, note: Note) -> Result<(), OrderError> {
        self.give(|reply| Order::Note(id.clone(), note, reply)).await
    }

    /// Whether the hive is to be empty, and all changes of that.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.clone()
    }

    /// An order is carried out also if nobody waits for its answer any more.
    async fn give<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, OrderError> {
        let (reply, answer) = oneshot::channel();
        let ended = |_| OrderError::ShuttingDown;
        self.orders
            .send(order(reply))
            .await
            .map_err(|_| OrderError::ShuttingDown)?;
        answer.await.map_err(ended)?
    }
}

/// Whoever sees to workers: what starts the task of one. The future ends when the worker has left.
pub(crate) trait Tend: Send + Sync + 'static {
    /// Sees to a worker until it is over.
    fn tend(
        &self,
        desired: Desired,
        wish: watch::Receiver<Wish>,
        orders: Orders,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// A worker's task.
struct Running {
    wish: watch::Sender<Wish>,
    restarts: u64,
}

/// Owns the ledger and makes what runs what is wanted.
pub(crate) struct Reconciler {
    ledger: Ledger,
    file: LedgerFile,
    unwritten: bool,
    running: HashMap<WorkerId, Running>,
    inbox: mpsc::Receiver<Order>,
    orders: Orders,
    draining: watch::Sender<bool>,
    drain_grace: Duration,
}

impl Reconciler {
    /// A reconciler for a ledger as it was read. Leaving workers get `drain_grace` unless an order says otherwise.
    pub(crate) fn new(file: LedgerFile, ledger: Ledger, drain_grace: Duration) -> (Self, Orders) {
        let (sender, inbox) = mpsc::channel(WAITING);
        let (draining, following) = watch::channel(ledger.draining);
        let orders = Orders {
            orders: sender,
            draining: following,
        };
        let reconciler = Self {
            ledger,
            file,
            unwritten: false,
            running: HashMap::new(),
            inbox,
            orders: orders.clone(),
            draining,
            drain_grace,
        };
        (reconciler, orders)
    }

    /// Carries out orders until the hive shuts down and all workers have left. What is wanted stays in the ledger.
    pub(crate) async fn run(mut self, shutdown: CancellationToken, tender: Arc<impl Tend>) {
        self.converge(&tender);
        loop {
            // Cancel safe: an order that was not received stays in the channel, and waiting begins anew each turn.
            tokio::select! {
                Some(order) = self.inbox.recv() => self.carry_out(order).await,
                () = tokio::time::sleep(WRITE_AGAIN), if self.unwritten => { let _ = self.write().await; }
                () = shutdown.cancelled() => break,
            }
            self.converge(&tender);
        }
        self.leave().await;
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Spawn(desired, reply) => {
                let done = self.spawn(*desired).await;
                let _ = reply.send(done);
            }
            Order::Stop(id, grace, reply) => {
                let was_wanted = self.ledger.drop_wish(&id);
                self.set_grace(&id, grace);
                let done = if was_wanted {
                    self.write().await
                } else {
                    Err(OrderError::Unknown)
                };
                let _ = reply.send(done);
            }
            Order::Restart(id, grace, reply) => {
                let _ = reply.send(self.restart(&id, grace));
            }
            Order::Keep(id, change, reply) => {
                let known = self.ledger.get(&id).is_some();
                let done = if self.ledger.change(&id, |desired| change(&mut desired.keep)) {
                    self.write().await
                } else if known {
                    Ok(())
                } else {
                    Err(OrderError::Unknown)
                };
                let _ = reply.send(done);
            }
            Order::Attach(id, add_ons, reply) => {
                let _ = reply.send(self.attach(&id, add_ons).await);
            }
            Order::Drain(grace, reply) => {
                for running in self.running.values() {
                    let grace = grace.unwrap_or(self.drain_grace);
                    running.wish.send_modify(|wish| wish.drain_grace = grace);
                }
                let _ = reply.send(self.set_draining(true).await);
            }
            Order::Resume(reply) => {
                let _ = reply.send(self.set_draining(false).await);
            }
            Order::Note(id, note, reply) => {
                let changed = self.ledger.change(&id, |desired| match note {
                    Note::Proven(proof) => desired.proof = Some(*proof),
                    Note::Failed(failure) => desired.failure = Some(failure),
                });
                let done = if changed { self.write().await } else { Ok(()) };
                let _ = reply.send(done);
            }
            Order::Ended(id) => {
                self.running.remove(&id);
            }
        }
    }

    async fn spawn(&mut self, desired: Desired) -> Result<(), OrderError> {
        if self.ledger.draining {
            return Err(OrderError::Draining);
        }
        let id = desired.id.clone();
        self.ledger.want(desired);
        let written = self.write().await;
        if written.is_err() {
            // What can't be remembered is not begun.
            self.ledger.drop_wish(&id);
        }
        written
    }

    async fn attach(
        &mut self,
        id: &WorkerId,
        add_ons: Vec<ModelEntry>,
    ) -> Result<Vec<ModelEntry>, OrderError> {
        let changed = self.ledger.change(id, |desired| desired.attach(add_ons));
        if changed {
            self.write().await?;
        }
        let desired = self.ledger.get(id).ok_or(OrderError::Unknown)?;
        Ok(desired.add_ons.clone())
    }

    fn restart(&mut self, id: &WorkerId, grace: Option<Duration>) -> Result<(), OrderError> {
        self.set_grace(id, grace);
        match (self.ledger.get(id), self.running.get_mut(id)) {
            (Some(_), Some(running)) => {
                running.restarts += 1;
                Ok(())
            }
            _ => Err(OrderError::Unknown),
        }
    }

    async fn set_draining(&mut self, draining: bool) -> Result<(), OrderError> {
        if self.ledger.drain(draining) {
            narrate!(
                "{}",
                if draining {
                    "the hive is being emptied"
                } else {
                    "the hive takes workers again"
                }
            );
        }
        self.draining
            .send_if_modified(|known| std::mem::replace(known, draining) != draining);
        self.write().await
    }

    fn set_grace(&self, id: &WorkerId, grace: Option<Duration>) {
        if let Some(running) = self.running.get(id) {
            let grace = grace.unwrap_or(self.drain_grace);
            running.wish.send_modify(|wish| wish.drain_grace = grace);
        }
    }

    /// Writes the ledger. If that fails it is tried again later: what was ordered is done all the same.
    async fn write(&mut self) -> Result<(), OrderError> {
        let (file, ledger) = (self.file.clone(), self.ledger.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&ledger)).await;
        let failed = match written {
            Ok(Ok(())) => {
                self.unwritten = false;
                return Ok(());
            }
            Ok(Err(error)) => OrderError::Ledger(Arc::new(error)),
            // The runtime is ending.
            Err(_) => OrderError::ShuttingDown,
        };
        if !std::mem::replace(&mut self.unwritten, true) {
            narrate_error!("{}; it is tried again", Chain(&failed));
        }
        Err(failed)
    }

    fn converge(&mut self, tender: &Arc<impl Tend>) {
        let seen_to: BTreeMap<_, _> = self
            .running
            .iter()
            .map(|(id, running)| (id.clone(), running.wish.borrow().aim))
            .collect();
        let restarts = |id: &WorkerId| self.running.get(id).map_or(0, |running| running.restarts);
        for step in reconcile::steps(&self.ledger, &seen_to, restarts) {
            match step {
                Step::Start(id) => self.start(&id, tender),
                Step::Redirect(id, aim) => self.redirect(&id, |wish| wish.aim = aim),
            }
        }
        for desired in &self.ledger.workers {
            self.redirect(&desired.id, |wish| wish.keep = desired.keep);
        }
    }

    fn redirect(&self, id: &WorkerId, change: impl FnOnce(&mut Wish)) {
        if let Some(running) = self.running.get(id) {
            running.wish.send_if_modified(|wish| {
                let before = *wish;
                change(wish);
                *wish != before
            });
        }
    }

    fn start(&mut self, id: &WorkerId, tender: &Arc<impl Tend>) {
        let Some(desired) = self.ledger.get(id).cloned() else {
            return;
        };
        let wish = watch::Sender::new(Wish {
            aim: reconcile::aim(&self.ledger, id, 0),
            drain_grace: self.drain_grace,
            keep: desired.keep,
        });
        let task = tender.tend(desired, wish.subscribe(), self.orders.clone());
        let (orders, ended) = (self.orders.orders.clone(), id.clone());
        self.running.insert(id.clone(), Running { wish, restarts: 0 });
        tokio::spawn(async move {
            // In a task of its own, so that one that panics is noticed as ended too.
            let _ = tokio::spawn(task).await;
            let _ = orders.send(Order::Ended(ended)).await;
        });
    }

    /// Has all workers leave, without forgetting them, and waits until they have.
    async fn leave(mut self) {
        for running in self.running.values() {
            running.wish.send_modify(|wish| {
                wish.aim = Aim::Leave;
                wish.drain_grace = Duration::ZERO;
            });
        }
        while !self.running.is_empty() {
            match self.inbox.recv().await {
                Some(Order::Ended(id)) => {
                    self.running.remove(&id);
                }
                Some(Order::Note(id, Note::Failed(failure), _)) => {
                    self.ledger.change(&id, |desired| desired.failure = Some(failure));
                }
                // Whoever waits for an answer hears that the hive ends.
                Some(_) => {}
                None => break,
            }
        }
        let _ = self.write().await;
    }
}
