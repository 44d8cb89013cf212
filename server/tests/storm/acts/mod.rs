//! What strangers do: each act is one way to break a rule, or to keep it in an odd way.

mod http;
mod logins;
pub mod stage;
mod upgrade;
mod websocket;

use std::io;

use self::stage::Player;

/// One kind of act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Packets and frames that nobody should send.
    Odd,
    /// CONNECTs and DISCONNECTs in any order on one connection, in one segment or several.
    Relogin,
    /// The same in the body of a POST.
    PolledRelogin,
    /// The end comes in any state of a connection.
    End,
    /// One user on several connections and transports.
    SecondLogin,
    /// More events than may be sent, and nothing is read.
    Flood,
    /// A member of a room who does not read.
    Deaf,
    /// A member of a room who says a lot.
    Loud,
    /// Ids and names of any length and kind.
    Names,
    /// CONNECTs to namespaces that do not exist, without reading the answers.
    Namespaces,
    /// From polling to WebSocket as it should be.
    Upgrade,
    /// The same half, doubled, aborted, or out of order.
    OddUpgrade,
    /// Polls and POSTs that are doubled, cancelled, or of a session that is not there.
    OddPolls,
    /// Half a request, or no request at all.
    HalfRequest,
    /// A body that never comes to its end.
    StalledBody,
    /// Pages for operators, many at a time, and nobody reads them.
    Pages,
}

impl Act {
    pub const ALL: [Self; 16] = [
        Self::Odd,
        Self::Relogin,
        Self::PolledRelogin,
        Self::End,
        Self::SecondLogin,
        Self::Flood,
        Self::Deaf,
        Self::Loud,
        Self::Names,
        Self::Namespaces,
        Self::Upgrade,
        Self::OddUpgrade,
        Self::OddPolls,
        Self::HalfRequest,
        Self::StalledBody,
        Self::Pages,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Odd => "odd",
            Self::Relogin => "relogin",
            Self::PolledRelogin => "polled-relogin",
            Self::End => "end",
            Self::SecondLogin => "second-login",
            Self::Flood => "flood",
            Self::Deaf => "deaf",
            Self::Loud => "loud",
            Self::Names => "names",
            Self::Namespaces => "namespaces",
            Self::Upgrade => "upgrade",
            Self::OddUpgrade => "odd-upgrade",
            Self::OddPolls => "odd-polls",
            Self::HalfRequest => "half-request",
            Self::StalledBody => "stalled-body",
            Self::Pages => "pages",
        }
    }

    /// Plays it. An error is the connection's, which is no news here.
    pub async fn play(self, player: &mut Player<'_>) -> io::Result<()> {
        match self {
            Self::Odd => websocket::odd(player).await,
            Self::Relogin => logins::relogin(player).await,
            Self::End => logins::end(player).await,
            Self::SecondLogin => logins::second_login(player).await,
            Self::Flood => websocket::flood(player).await,
            Self::Deaf => websocket::deaf(player).await,
            Self::Loud => websocket::loud(player).await,
            Self::Names => websocket::names(player).await,
            Self::Namespaces => websocket::namespaces(player).await,
            Self::Upgrade => upgrade::honest(player).await,
            Self::OddUpgrade => upgrade::odd(player).await,
            Self::PolledRelogin => http::relogin(player).await,
            Self::OddPolls => http::odd_polls(player).await,
            Self::HalfRequest => http::half_request(player).await,
            Self::StalledBody => http::stalled_body(player).await,
            Self::Pages => http::pages(player).await,
        }
    }
}
