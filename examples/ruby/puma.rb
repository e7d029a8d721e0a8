# frozen_string_literal: true

# Puma for config.ru, on PORT: 8080 unless told otherwise, 0 for any that is free.
bind "tcp://127.0.0.1:#{ENV.fetch('PORT', '8080')}"
rackup File.expand_path('config.ru', __dir__)
threads 1, 8
log_requests false

# Says where it listens, once it does.
class SayWhere < Puma::Plugin
  Puma::Plugins.register('say_where', self)

  def start(launcher)
    launcher.events.on_booted { $stdout.puts "listening on http://127.0.0.1:#{launcher.connected_ports.first}" }
  end
end
plugin 'say_where'
