# frozen_string_literal: true

# A load of validates on one thread, in Ruby: reads a token from stdin, validates it for --seconds (2 unless told
# otherwise), and prints what that came to as one line of JSON. With --begin it prints `begun` after the first answer.
$LOAD_PATH.unshift File.expand_path('../../client/ruby/lib', __dir__)
require 'jwt_keeper'

seconds = (at = ARGV.index('--seconds')) ? Float(ARGV[at + 1]) : 2.0
begins = ARGV.include?('--begin')
token = $stdin.gets.chomp
$stdout.sync = true

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

client = JWTKeeper.client
version = JWTKeeper.const_get(:Library).instance.version
start = now
100_000.times { version.call }
ffi = (now - start) / 100_000 * 1e9

times = []
errors = 0
start = now
while (before = now) - start < seconds
  begin
    errors += 1 unless client.validate(token).valid?
  rescue JWTKeeper::Error
    errors += 1
  end
  times << (now - before) * 1e6
  puts 'begun' if begins && times.size == 1 && errors.zero?
end
taken = now - start
times.sort!
at = ->(share) { (times[(times.size * share).to_i] || 0).round(1) }
puts JSON.generate(calls: times.size, errors: errors, seconds: taken.round(3), p50_us: at[0.5], p99_us: at[0.99],
                   max_us: times.last.to_f.round(1), ffi_ns: ffi.round(1))
