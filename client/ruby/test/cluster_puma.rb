# frozen_string_literal: true

# Puma's configuration for cluster_test.rb.
workers 2
threads 4, 4
preload_app!
bind 'tcp://127.0.0.1:0'
rackup File.expand_path('cluster_app.ru', __dir__)
environment 'test'
