//! The writing side of a connection: what the kernel does not take at once waits here, within bounds; and TLS.

use std::{
    cell::{Cell, RefCell},
    io::{ErrorKind, Read, Write},
    rc::{Rc, Weak},
    time::Duration,
};

use rustls::ClientConnection;
use socket2::SockRef;
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::AbortHandle,
};

use crate::observed::Closed;

/// What may wait for one server to read it: far more than a user writes. A server that lets more wait ends the connection.
const MOST_UNSENT: usize = 4 << 20;

/// What writes to a connection.
pub struct Pipe {
    me: Weak<Self>,
    write: OwnedWriteHalf,
    tls: Option<RefCell<ClientConnection>>,
    /// What the kernel did not take yet; a task flushes it while it is not empty.
    unsent: RefCell<Vec<u8>>,
    flusher: Cell<Option<AbortHandle>>,
    /// More waited than may.
    overfull: Cell<bool>,
}

impl Pipe {
    /// Over a TCP connection; what comes beside it reads.
    pub fn over(tcp: TcpStream, tls: Option<ClientConnection>) -> (Rc<Self>, OwnedReadHalf) {
        let (read, write) = tcp.into_split();
        let tls = tls.map(|mut tls| {
            // What waits is bounded here.
            tls.set_buffer_limit(None);
            RefCell::new(tls)
        });
        let pipe = Rc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            write,
            tls,
            unsent: RefCell::default(),
            flusher: Cell::default(),
            overfull: Cell::new(false),
        });
        (pipe, read)
    }

    /// Writes at once what the kernel takes and leaves the rest to a task.
    pub fn write(&self, bytes: &[u8]) {
        let Some(tls) = &self.tls else {
            self.put(bytes);
            return;
        };
        let mut tls = tls.borrow_mut();
        // Without a limit, all is taken; a connection that is over shows when it is read.
        let _ = tls.writer().write_all(bytes);
        self.put(&encrypted(&mut tls));
    }

    fn put(&self, bytes: &[u8]) {
        if bytes.is_empty() || self.overfull.get() {
            return;
        }
        let mut unsent = self.unsent.borrow_mut();
        let idle = unsent.is_empty();
        // A broken connection takes nothing here, and shows when it is read.
        let taken = if idle {
            self.write.try_write(bytes).unwrap_or(0)
        } else {
            0
        };
        unsent.extend_from_slice(&bytes[taken..]);
        if unsent.len() > MOST_UNSENT {
            self.overfull.set(true);
            drop(unsent);
            self.abandon();
            return;
        }
        if idle
            && !unsent.is_empty()
            && let Some(me) = self.me.upgrade()
        {
            let flusher = tokio::task::spawn_local(async move { me.flush().await });
            self.flusher.set(Some(flusher.abort_handle()));
        }
    }

    /// Hands the kernel what it did not take at once.
    async fn flush(&self) {
        while !self.unsent.borrow().is_empty() {
            if self.write.writable().await.is_err() {
                return;
            }
            let mut unsent = self.unsent.borrow_mut();
            match self.write.try_write(&unsent) {
                Ok(taken) => drop(unsent.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The reading side sees the broken connection and reports it.
                Err(_) => unsent.clear(),
            }
        }
    }

    /// Why nothing more can be written, if so: the server reads too little.
    pub fn overfull(&self) -> Option<Closed> {
        self.overfull.get().then_some(Closed::Overfull(MOST_UNSENT))
    }

    /// Whether what is read is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Decrypts what came and hands over each piece, through a buffer of the caller's.
    ///
    /// # Errors
    /// What is wrong with it, or that the other side has said the goodbye of TLS: what comes behind that is ignored
    /// (RFC 8446, 6.1), and nothing more is to come, whether or not the TCP connection ends as well.
    pub fn decrypt(
        &self,
        mut encrypted_bytes: &[u8],
        plain: &mut [u8],
        mut each: impl FnMut(&[u8]) -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        let Some(tls) = &self.tls else {
            return each(encrypted_bytes);
        };
        loop {
            let mut tls = tls.borrow_mut();
            let broken = |error: String| Closed::Transport(format!("TLS: {error}"));
            let mut over = false;
            if !encrypted_bytes.is_empty() {
                let taken = tls
                    .read_tls(&mut encrypted_bytes)
                    .map_err(|error| broken(error.to_string()))?;
                // Or it would never take the rest.
                over = taken == 0;
            }
            let state = tls
                .process_new_packets()
                .map_err(|error| broken(error.to_string()))?;
            over |= state.peer_has_closed();
            // What TLS itself has to say, as after a change of keys.
            if tls.wants_write() {
                self.put(&encrypted(&mut tls));
            }
            while let Ok(bytes @ 1..) = tls.reader().read(plain) {
                drop(tls);
                each(&plain[..bytes])?;
                tls = self
                    .tls
                    .as_ref()
                    .map(RefCell::borrow_mut)
                    .ok_or_else(|| broken("gone".into()))?;
            }
            if over {
                return Err(Closed::Transport("by the other side".into()));
            }
            if encrypted_bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Forgets what waits, and lets the kernel send a reset when the connection is dropped.
    pub fn cut(&self) {
        let stream: &TcpStream = self.write.as_ref();
        // Without it the server would see an end instead of a reset, no more.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        self.abandon();
    }

    /// Forgets what waits, and waits no more for a server that does not read: the connection ends when it is dropped.
    pub fn abandon(&self) {
        *self.unsent.borrow_mut() = Vec::new();
        if let Some(flusher) = self.flusher.take() {
            flusher.abort();
        }
    }
}

/// What TLS has to send.
fn encrypted(tls: &mut ClientConnection) -> Vec<u8> {
    let mut out = Vec::new();
    while tls.wants_write() {
        // Writing to a vector can't fail.
        if tls.write_tls(&mut out).is_err() {
            break;
        }
    }
    out
}
