# frozen_string_literal: true

require "openssl"
require "socket"
require "stringio"
require "tempfile"
require "webmock"

# A proxy on loopback that answers by WebMock's stubs, for a client that WebMock cannot reach into: requests in absolute
# form, and tunnels to hosts with TLS, whose certificates are of an authority of its own. What has no stub is broken off.
class StubServer
  attr_reader :port, :authority

  def initialize
    @listener = TCPServer.new("127.0.0.1", 0)
    @port = @listener.addr[1]
    make_certificates
    Thread.new { loop { Thread.new(@listener.accept) { |socket| serve(socket) } } }
  end

  def url
    "http://127.0.0.1:#{port}"
  end

  private

  def make_certificates
    root_key = OpenSSL::PKey::RSA.new(2048)
    root = certificate("stubs", root_key) { |made, extend| made.add_extension(extend.create_extension("basicConstraints", "CA:TRUE", true)) }
    root.sign(root_key, "SHA256")
    key = OpenSSL::PKey::RSA.new(2048)
    leaf = certificate("example.com", key, root) { |made, extend| made.add_extension(extend.create_extension("subjectAltName", "DNS:example.com")) }
    leaf.sign(root_key, "SHA256")
    @authority = Tempfile.new(["authority", ".pem"])
    @authority.write(root.to_pem)
    @authority.flush
    @context = OpenSSL::SSL::SSLContext.new
    @context.add_certificate(leaf, key)
  end

  def certificate(name, key, issuer = nil)
    made = OpenSSL::X509::Certificate.new
    made.version, made.serial = 2, rand(1 << 60)
    made.subject = OpenSSL::X509::Name.new([["CN", name]])
    made.issuer = issuer ? issuer.subject : made.subject
    made.public_key = key.public_key
    made.not_before, made.not_after = Time.now - 3600, Time.now + 3600
    yield made, OpenSSL::X509::ExtensionFactory.new(issuer || made, made)
    made
  end

  def serve(socket)
    base = nil
    while (line = socket.gets)
      method, target, = line.split
      headers = read_headers(socket)
      if method == "CONNECT"
        socket.write("HTTP/1.1 200 OK\r\n\r\n")
        base = "https://#{target}"
        socket = OpenSSL::SSL::SSLSocket.new(socket, @context).tap { |tls| tls.sync_close = true }.accept
        next
      end
      body = read_body(socket, headers)
      answer(socket, WebMock::RequestSignature.new(method.downcase.to_sym, "#{base}#{target}", body: body, headers: headers)) or break
    end
  rescue SystemCallError, IOError, OpenSSL::SSL::SSLError
    nil
  ensure
    socket.close
  end

  def read_headers(socket)
    lines = []
    while (line = socket.gets&.chomp) && !line.empty?
      lines << line.split(/:\s*/, 2)
    end
    lines.to_h
  end

  def read_body(socket, headers)
    headers = headers.transform_keys(&:downcase)
    return socket.read(headers["content-length"].to_i) unless headers["transfer-encoding"]

    whole = +""
    until (size = socket.gets.to_i(16)).zero?
      whole << socket.read(size)
      socket.gets
    end
    socket.gets
    whole
  end

  def answer(socket, signature)
    WebMock::RequestRegistry.instance.requested_signatures.put(signature)
    found = WebMock::StubRegistry.instance.response_for_request(signature) or return
    # A server that says nothing: until the client goes.
    return socket.read(1) && nil if found.should_timeout

    status, reason = found.status
    body = found.body.to_s
    fields = (found.headers || {}).flat_map { |name, values| Array(values).map { |value| "#{name}: #{value}\r\n" } }
    socket.write("HTTP/1.1 #{status} #{reason}\r\n#{fields.join}Content-Length: #{body.bytesize}\r\n\r\n")
    socket.write(body) unless signature.method == :head
    true
  end
end
