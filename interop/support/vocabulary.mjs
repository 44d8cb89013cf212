// The events of both dialects, as the documents name them. Deliberately not taken from the server's own tables.

const names = (confirmed, failed, kind) => ({ confirmed, failed, kind });

const room = {
  ...names('roomMessageConfirmed', 'roomMessageFailed', 'room'),
  join: 'joinRoom',
  leave: 'leaveRoom',
  send: 'roomMessage',
  received: 'roomMessageRecieved',
  id: 'roomId',
  created: 'Successfully created message in the room',
  collection: 'message2',
};

const channel = {
  ...names('channelMessageConfirmed', 'channelMessageFailed', 'channel'),
  id: 'channelId',
  created: 'Successfully created message',
  collection: 'messages',
};

/** By dialect: the names that its clients send and get, and whether the sender gets the delivery like everybody else. */
export const dialects = {
  readme: {
    senderGetsDelivery: true,
    room: { ...room, atOnce: 'roomMessageRecieved' },
    channel: {
      ...channel,
      join: 'JOIN_CHANNEL',
      leave: 'leaveChannel',
      send: 'NEW_MESSAGE_EVENT',
      received: 'NEW_MESSAGE_RECEIVED_EVENT',
      atOnce: 'NEW_MESSAGE_RECEIVED_EVENT',
    },
  },
  reference: {
    senderGetsDelivery: false,
    room: { ...room, atOnce: 'roomMessageSent' },
    channel: {
      ...channel,
      join: 'JoinChannel',
      leave: 'LeaveChannel',
      send: 'NewMessage',
      received: 'NewMessageReceived',
      atOnce: 'channelMessageSent',
    },
  },
};

export const other = (dialect) => (dialect === 'readme' ? 'reference' : 'readme');
