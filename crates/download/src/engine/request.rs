//! One attempt: requests for what is missing, and their bytes into the pipeline.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::future::try_join_all;
use http::header::{IF_RANGE, RANGE};
use http::{HeaderValue, StatusCode};

use super::error::{AnswerProblem, DownloadError, Failure};
use super::judge::{Asked, Known, Verdict, judge, unsatisfied_total};
use super::page::is_page_type;
use super::patience::Patience;
use super::session::Session;
use crate::http::{Ask, HttpError, Opened, Refusal, content_type};

/// Which of an attempt's connections it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// The first: it alone may void what is there, as no other is running yet.
    Lead,
    Beside,
}

impl Session<'_> {
    /// From the source's URL to the end of the file, or to the first thing that goes wrong.
    pub(super) async fn attempt(&self) -> Result<(), Failure> {
        if self.is_whole() {
            return Ok(());
        }
        let ask = self
            .what
            .source
            .ask()
            .await
            .map_err(|source| DownloadError::Source {
                name: self.what.name.clone(),
                source,
            })?;
        // With neither, nothing would tell whether the rest belongs to what is there.
        let tells = self.what.expected.digest.is_some() || self.state().validator.is_some();
        if self.plan().sent.is_empty() {
            // What earlier answers said of a file of which nothing came binds nobody.
            let mut state = self.state();
            (state.size_bytes, state.validator) = (self.what.expected.size_bytes, None);
        } else if !tells {
            self.restart().await?;
        }
        {
            let mut plan = self.plan();
            plan.claimed = plan.sent.clone();
        }
        let Some(range) = self.claim() else {
            return Ok(());
        };
        let Some((opened, range)) = self.request(&ask, range, Lane::Lead).await? else {
            return Ok(());
        };
        // Further requests go where this one ended up, with what its redirects left of the token.
        let there = opened.ask.clone();
        let config = &self.with.config;
        let connections = match there.is_on_own_network() {
            true => config.connections_on_own_network,
            false => config.connections,
        };
        let lead = async {
            self.pump(opened, range).await?;
            self.go_on(&there).await
        };
        let beside = try_join_all((1..connections).map(|_| self.go_on(&there)));
        tokio::try_join!(lead, beside)?;
        Ok(())
    }

    /// Chunk after chunk, as long as one is missing that nobody is after.
    async fn go_on(&self, there: &Ask) -> Result<(), Failure> {
        while let Some(range) = self.claim() {
            let Some((opened, range)) = self.request(there, range, Lane::Beside).await? else {
                return Ok(());
            };
            self.pump(opened, range).await?;
        }
        Ok(())
    }

    /// The next range to ask for: of a large file, or one that may be, a chunk.
    fn claim(&self) -> Option<Range<u64>> {
        let config = &self.with.config;
        let total = self.state().size_bytes;
        let one = config.connections.max(config.connections_on_own_network) <= 1;
        let most = match total {
            _ if one => u64::MAX,
            Some(total) if total < config.parallel_above_bytes => u64::MAX,
            _ => config.chunk_bytes.max(1),
        };
        let mut plan = self.plan();
        let range = plan.claimed.first_gap(total, most)?;
        plan.claimed.insert(range.clone());
        Some(range)
    }

    /// Asks for a range; what comes may be less, or with a plain answer the whole file. `None` if it turns out that
    /// nothing is missing.
    async fn request(
        &self,
        ask: &Ask,
        range: Range<u64>,
        lane: Lane,
    ) -> Result<Option<(Opened, Range<u64>)>, Failure> {
        let known = {
            let state = self.state();
            Known {
                expected: self.what.expected.size_bytes,
                total: state.size_bytes,
                validator: state.validator.clone(),
            }
        };
        let whole = range.start == 0 && range.end == known.total.unwrap_or(u64::MAX);
        let asked = Asked {
            range,
            ranged: !whole,
        };
        let mut headers = Vec::new();
        if asked.ranged {
            headers.push((RANGE, range_header(&asked.range)));
            let validator = known
                .validator
                .as_deref()
                .and_then(|etag| HeaderValue::from_str(etag).ok());
            headers.extend(validator.map(|etag| (IF_RANGE, etag)));
        }
        let mut opened = match self.with.client.get(ask, &headers).await {
            Ok(opened) => opened,
            Err(HttpError::Status(refusal)) if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE => {
                self.unsatisfiable(&refusal, &asked, lane).await?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let host = opened.ask.url().host_str().unwrap_or_default().to_owned();
        let problem = |problem| Failure::Answer {
            host: host.clone(),
            problem,
        };
        opened.refuse_encoding()?;
        self.refuse_page(&mut opened).await?;
        let (status, told) = (opened.response.status(), opened.response.headers());
        let range = match judge(&asked, status, told, &known).map_err(&problem)? {
            Verdict::Part {
                range,
                total,
                validator,
            } => {
                self.learn(Some(total), validator).await?;
                range
            }
            Verdict::Changed => {
                if lane == Lane::Lead {
                    self.restart().await?;
                }
                return Err(problem(AnswerProblem::Changed));
            }
            Verdict::Whole { total, validator } => {
                if lane == Lane::Beside {
                    let (asked, got) = (asked.range.start, None);
                    return Err(problem(AnswerProblem::WrongRange { asked, got }));
                }
                if !self.plan().sent.is_empty() {
                    self.restart().await?;
                }
                self.learn(total, validator).await?;
                let range = 0..total.unwrap_or(u64::MAX);
                self.plan().claimed.insert(range.clone());
                range
            }
        };
        Ok(Some((opened, range)))
    }

    /// A 416: nothing lies behind what is there, so it is whole (and yet to be verified), or it is void.
    async fn unsatisfiable(&self, refusal: &Refusal, asked: &Asked, lane: Lane) -> Result<(), Failure> {
        let there = self.plan().sent.end();
        let total = unsatisfied_total(&refusal.headers);
        let fits = asked.range.start == there
            && self.plan().sent.is_whole(there)
            && total.map_or(there > 0, |total| total == there)
            && self.what.expected.size_bytes.is_none_or(|size| size == there);
        if fits && lane == Lane::Lead {
            self.state().size_bytes = Some(there);
            return Ok(());
        }
        let expected_bytes = self.state().size_bytes.unwrap_or(asked.range.end);
        if lane == Lane::Lead && there > 0 {
            self.restart().await?;
        }
        Err(Failure::Answer {
            host: refusal.url.clone(),
            problem: AnswerProblem::WrongSize {
                expected_bytes,
                declared_bytes: total.unwrap_or(0),
            },
        })
    }

    /// An error if what comes is a page or an error in JSON.
    async fn refuse_page(&self, opened: &mut Opened) -> Result<(), Failure> {
        let kind = content_type(opened.response.headers());
        if self.what.expected.text || !kind.is_some_and(|kind| is_page_type(&kind)) {
            return Ok(());
        }
        let (start, _) = opened.start(1024).await.unwrap_or_default();
        Err(opened.page("the file", &start).into())
    }

    /// Notes what an answer told of the file, if it may be so large and the disk can take it.
    async fn learn(&self, total: Option<u64>, validator: Option<String>) -> Result<(), Failure> {
        let limit_bytes = self.with.config.max_size_bytes;
        if let Some(size_bytes) = total
            && size_bytes > limit_bytes
        {
            return Err(self.too_large(size_bytes));
        }
        let news = {
            let mut state = self.state();
            let news = state.size_bytes != total;
            state.size_bytes = total;
            state.validator = validator.or(state.validator.take());
            news
        };
        if news {
            self.check_space().await?;
        }
        Ok(())
    }

    fn too_large(&self, size_bytes: u64) -> Failure {
        Failure::Final(DownloadError::TooLarge {
            name: self.what.name.clone(),
            size_bytes,
            limit_bytes: self.with.config.max_size_bytes,
        })
    }

    /// The body into the pipeline. Dropping it loses at most what was not handed over yet.
    async fn pump(&self, mut opened: Opened, range: Range<u64>) -> Result<(), Failure> {
        let host = opened.ask.url().host_str().unwrap_or_default().to_owned();
        let problem = |problem| Failure::Answer {
            host: host.clone(),
            problem,
        };
        let mut at = range.start;
        let mut patience = Patience::new(&self.with.config);
        loop {
            let waiting = Instant::now();
            let Some(bytes) = opened.chunk().await? else { break };
            let len = bytes.len() as u64;
            patience.check(&host, waiting.elapsed(), len)?;
            if bytes.is_empty() {
                continue;
            }
            let end = at.saturating_add(len);
            if end > range.end {
                return Err(problem(AnswerProblem::Excess { end: range.end }));
            }
            if end > self.with.config.max_size_bytes {
                return Err(self.too_large(end));
            }
            self.pipeline.write(at, bytes).await?;
            // Nothing waits between these: what was handed over is in the plan.
            self.plan().sent.insert(at..end);
            self.received.fetch_add(len, Ordering::Relaxed);
            at = end;
            self.with.bandwidth.take(len).await;
        }
        if range.end == u64::MAX {
            // Without a length, the end in good order is all there is to know.
            self.state().size_bytes = Some(at);
        } else if at < range.end {
            return Err(problem(AnswerProblem::Short {
                got_bytes: at - range.start,
                expected_bytes: range.end - range.start,
            }));
        }
        Ok(())
    }
}

fn range_header(range: &Range<u64>) -> HeaderValue {
    let text = match range.end {
        u64::MAX => format!("bytes={}-", range.start),
        end => format!("bytes={}-{}", range.start, end - 1),
    };
    HeaderValue::from_str(&text).expect("digits are a header's value")
}
