//! One connection whose proxy is a test: cut and dropped at moments that no running proxy lets one choose.

use std::{
    pin::Pin,
    task::{Context, Waker},
};

use super::*;

/// A connection whose proxy is a test, so that a test says how far it comes.
struct Alone {
    weather: watch::Sender<Weather>,
    lives: Lives,
    behind: TcpListener,
    door: Doorway,
}

impl Alone {
    async fn new() -> Self {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (weather, seen) = watch::channel(Weather::default());
        let lives = Lives {
            upstream: behind.local_addr().unwrap(),
            speech: Speech::Bytes,
            seed: 1,
            weather: seen,
        };
        let door = Doorway::open().unwrap();
        Self {
            weather,
            lives,
            behind,
            door,
        }
    }

    fn impose(&self, effect: Effect) {
        let imposed = Arc::new(Imposed::new(0, effect));
        self.weather.send_replace(Arc::from([imposed]));
    }

    /// Who connects, and what serves them.
    async fn connect(&mut self) -> (TcpStream, impl Future<Output = ()> + use<>) {
        let client = TcpStream::connect(self.door.address()).await.unwrap();
        let accepted = timeout(GUARD, self.door.next()).await.unwrap();
        let serving = Connection::new(0, &self.lives, Rc::default()).serve(accepted);
        (client, serving)
    }

    async fn server(&self) -> TcpStream {
        timeout(GUARD, self.behind.accept())
            .await
            .unwrap()
            .unwrap()
            .0
    }
}

/// Polls once, without letting the runtime hear from the kernel before.
fn is_over(serving: Pin<&mut impl Future<Output = ()>>) -> bool {
    serving
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[tokio::test]
async fn a_cut_resets_who_is_behind_also_where_only_the_kernel_has_reached_them() {
    let mut alone = Alone::new().await;
    let (mut client, serving) = alone.connect().await;
    let mut serving = Box::pin(serving);
    // The kernel connects at once, and this runtime has not heard of it.
    assert!(!is_over(serving.as_mut()));
    alone.impose(Effect::Cut { refuse: true });
    assert!(is_over(serving.as_mut()));
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    let mut server = alone.server().await;
    assert_eq!(end(&mut server).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn what_is_dropped_is_reset_however_far_it_has_come() {
    let mut alone = Alone::new().await;
    let (mut client, serving) = alone.connect().await;
    drop(serving);
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));

    let (mut client, serving) = alone.connect().await;
    let mut serving = Box::pin(serving);
    assert!(!is_over(serving.as_mut()));
    drop(serving);
    let mut server = alone.server().await;
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(end(&mut server).await, Err(ErrorKind::ConnectionReset));

    alone.impose(Effect::HalfOpen);
    let (mut client, serving) = alone.connect().await;
    let mut serving = Box::pin(serving);
    assert!(!is_over(serving.as_mut()));
    drop(serving);
    assert_eq!(end(&mut client).await, Err(ErrorKind::ConnectionReset));
}
