-- A login is over. KEYS: the user. ARGV: node, socket.
local now = redis.call('HMGET', KEYS[1], 'node', 'socket')
if now[1] == ARGV[1] and now[2] == ARGV[2] then
  redis.call('DEL', KEYS[1])
end
return 1
