-- A user is logged in on a node. KEYS: the user. ARGV: node, socket, stamp, whether it is new, what the other node is
-- told before its socket and after it, the prefix of all keys, how long this is kept, how long an inbox is.
local now = redis.call('HMGET', KEYS[1], 'node', 'socket', 'stamp')
local stamp = tonumber(ARGV[3])
local answer = {'won', '', '0', '0'}
if now[1] == ARGV[1] and now[2] == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[8])
  return answer
end
if now[1] then
  -- A node knows its own logins: what it says last is the newest of them.
  local here = now[1] == ARGV[1]
  local elsewhere = not here and redis.call('EXISTS', ARGV[7] .. ':node:' .. now[1]) == 1
  local theirs = tonumber(now[3])
  if elsewhere and ARGV[4] == '0' then
    -- Sockets are numbers with up to twenty digits, which Lua can't hold: the longer or, by its text, the greater one.
    local greater = #now[2] > #ARGV[2] or (#now[2] == #ARGV[2] and now[2] > ARGV[2])
    if theirs > stamp or (theirs == stamp and greater) then
      return {'lost', now[1], now[2], now[3]}
    end
  end
  -- One that is said again stays as old as it is: if the other node lives after all, it says so, and wins.
  if theirs >= stamp and (ARGV[4] == '1' or here) then
    stamp = theirs + 1
  end
  if elsewhere then
    local inbox = ARGV[7] .. ':inbox:' .. now[1]
    redis.call('XADD', inbox, '*', 'e', ARGV[5] .. now[2] .. ARGV[6])
    redis.call('PEXPIRE', inbox, ARGV[9])
    answer = {'replaced', now[1], now[2], now[3]}
  end
end
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'socket', ARGV[2], 'stamp', string.format('%.0f', stamp))
redis.call('PEXPIRE', KEYS[1], ARGV[8])
return answer
