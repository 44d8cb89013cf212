//! The thread that serves the live view: it draws for those who read, and drops who reads too slowly.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::get,
    serve::ListenerExt as _,
};
use futures::stream;
use socket2::SockRef;
use tokio::{
    runtime::Builder,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{LAST_WORDS, Told};
use crate::report::{RenderError, live::View};

/// Whoever measures comes first.
const NICE: i32 = 10;
/// How often the page changes, at most.
const EVERY: Duration = Duration::from_secs(1);
/// Who takes nothing of what is sent for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// What waits for one reader in the kernel, in bytes, beside the one change that waits here.
const WAITING: usize = 256 * 1024;
/// Who may read at a time; others are told to come later.
const READERS: usize = 32;

/// Serves the view until nothing more can be told.
pub(super) fn serve(
    listener: TcpListener,
    view: View,
    told: mpsc::Receiver<Told>,
) -> io::Result<()> {
    // Of this thread alone.
    let _ = rustix::process::nice(NICE);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let listener = listener.tap_io(|connection| {
            let socket = SockRef::from(&*connection);
            // Without these, it is only dropped later.
            let _ = socket.set_tcp_user_timeout(Some(PATIENCE));
            let _ = socket.set_send_buffer_size(WAITING);
        });
        let shown = Shown {
            view: Arc::new(Mutex::new(view)),
            frames: watch::Sender::new(Frame::default()),
            readers: Arc::new(Semaphore::new(READERS)),
        };
        let (end, ended) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router(shown.clone()));
        let serving = serving.with_graceful_shutdown(async {
            let _ = ended.await;
        });
        let serving = tokio::spawn(serving.into_future());
        shown.follow(told).await;
        shown.frames.send_modify(|frame| frame.is_last = true);
        drop(end);
        // Who has not read the last by then does not get it.
        let _ = timeout(LAST_WORDS, serving).await;
        Ok(())
    })
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/metrics", get(metrics))
        .with_state(shown)
}

/// What is served.
#[derive(Clone)]
struct Shown {
    view: Arc<Mutex<View>>,
    frames: watch::Sender<Frame>,
    readers: Arc<Semaphore>,
}

/// What a reader's page is to look like.
#[derive(Clone, Default)]
struct Frame {
    state: Arc<str>,
    charts: Arc<str>,
    /// Which drawing the charts are.
    drawing: u64,
    is_last: bool,
}

impl Shown {
    /// Takes what is told until nobody tells any more, and draws it for those who read.
    async fn follow(&self, mut told: mpsc::Receiver<Told>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drawn: Option<Instant> = None;
        loop {
            tokio::select! {
                one = told.recv() => match one {
                    None => return,
                    Some(one) => {
                        if self.take(one) {
                            self.draw(true);
                            drawn = Some(Instant::now());
                        }
                    }
                },
                _ = ticks.tick() => {
                    if self.frames.receiver_count() == 0 {
                        continue;
                    }
                    let lasts = Duration::from_secs(self.view().charts_last());
                    let is_old = drawn.is_none_or(|drawn| drawn.elapsed() + EVERY / 2 >= lasts);
                    self.draw(is_old);
                    drawn = if is_old { Some(Instant::now()) } else { drawn };
                }
            }
        }
    }

    /// Takes what is told; whether it has to be seen at once.
    fn take(&self, told: Told) -> bool {
        let mut view = self.view();
        match told {
            Told::Turn(turn) => view.turn(turn),
            Told::Stage(stage) => view.stage(&stage),
            Told::Notice(text) => view.notice(text),
            Told::Snapshot(snapshot) => view.snapshot(*snapshot),
            Told::Finished(report) => {
                if let Err(error) = view.finished(&report) {
                    tracing::warn!(%error, "the live view can't show how the run ended");
                }
                return true;
            }
        }
        false
    }

    /// Draws the state, and the charts too where these are wanted.
    fn draw(&self, charts: bool) {
        let drawn = self.drawn(charts);
        match drawn {
            Ok((state, charts)) => self.frames.send_modify(|frame| {
                frame.state = state;
                if let Some(charts) = charts {
                    frame.charts = charts;
                    frame.drawing += 1;
                }
            }),
            Err(error) => tracing::warn!(%error, "the live view can't be drawn"),
        }
    }

    fn drawn(&self, charts: bool) -> Result<(Arc<str>, Option<Arc<str>>), RenderError> {
        let view = self.view();
        let charts = charts.then(|| view.charts()).transpose()?;
        Ok((view.state()?.into(), charts.map(Arc::from)))
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NEVER_STORED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

async fn page(State(shown): State<Shown>) -> Response {
    let page = shown.view().page();
    match page {
        Ok(page) => {
            let html = (header::CONTENT_TYPE, "text/html; charset=utf-8");
            ([html, NEVER_STORED], page).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let text = shown.view().metrics();
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, plain), NEVER_STORED], text).into_response()
}

async fn events(State(shown): State<Shown>) -> Response {
    let Ok(place) = Arc::clone(&shown.readers).try_acquire_owned() else {
        let told = format!("{READERS} pages are open already");
        return (StatusCode::SERVICE_UNAVAILABLE, told).into_response();
    };
    // Nobody may have been there to draw for.
    shown.draw(true);
    let mut frames = shown.frames.subscribe();
    frames.mark_changed();
    let reader = Reader {
        frames,
        waiting: VecDeque::new(),
        drawing: None,
        is_over: false,
        _place: place,
    };
    Sse::new(stream::unfold(reader, Reader::next)).into_response()
}

/// One page that is open. It gets the newest whenever it is ready for more, so that nothing piles up for it.
struct Reader {
    frames: watch::Receiver<Frame>,
    /// Of one change.
    waiting: VecDeque<Event>,
    /// The charts that it has.
    drawing: Option<u64>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            if self.is_over || self.frames.changed().await.is_err() {
                return None;
            }
            let frame = self.frames.borrow_and_update().clone();
            self.take(&frame);
        }
    }

    fn take(&mut self, frame: &Frame) {
        let event = |name, data: &str| Event::default().event(name).data(data);
        self.waiting.push_back(event("state", &frame.state));
        if self.drawing != Some(frame.drawing) {
            self.drawing = Some(frame.drawing);
            self.waiting.push_back(event("charts", &frame.charts));
        }
        if frame.is_last {
            self.is_over = true;
            self.waiting
                .push_back(event("end", "the program has ended"));
        }
    }
}
