//! Enums whose kinds each have a text: the kinds, the list of all of them and their texts are written once, as one table.

/// Defines an enum, `ALL` of its kinds in their order, and a function that gives what the table says of each.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $name:ident;
        $(#[$about:meta])*
        $vis:vis $said:ident: $type:ty;
        $($(#[$doc:meta])* $kind:ident => $value:expr,)+
    ) => {
        $(#[$meta])*
        pub enum $name {
            $($(#[$doc])* $kind,)+
        }

        impl $name {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$(stringify!($kind)),+].len()] = [$(Self::$kind),+];

            $(#[$about])*
            $vis const fn $said(self) -> $type {
                match self {
                    $(Self::$kind => $value,)+
                }
            }
        }
    };
}

pub(crate) use named;
