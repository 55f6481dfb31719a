# An https server for the example of https; sourced after common.sh.

# Debian keeps nginx out of the path of ordinary users.
PATH=$PATH:/usr/sbin:/sbin

# A real server in front of a certificate that a throw-away authority has signed.
start_nginx() {
    mkdir "$work/tls"
    (
        cd "$work/tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=Example CA" -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile server.ext -out server.pem
    ) >"$work/tls/openssl.log" 2>&1 || {
        cat "$work/tls/openssl.log" >&2
        return 1
    }
    # nginx cannot choose a port by itself. One that the endpoints hold and give up is free but for a race,
    # hence some tries.
    local try tries=5
    for ((try = 0; try < tries; try++)); do
        start_endpoints nginx@refuse
        local number=${port[nginx]}
        stop_endpoints
        cat >"$work/tls/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $work/tls/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $work/tls/body;
    proxy_temp_path $work/tls/proxy;
    fastcgi_temp_path $work/tls/fastcgi;
    uwsgi_temp_path $work/tls/uwsgi;
    scgi_temp_path $work/tls/scgi;
    server {
        listen 127.0.0.1:$number ssl;
        ssl_certificate $work/tls/server.pem;
        ssl_certificate_key $work/tls/server.key;
        location / { return 200 "hello over TLS\\n"; }
    }
}
CONF
        nginx -p "$work/tls" -c "$work/tls/nginx.conf" 2>"$work/tls/nginx.log" &
        nginx_pid=$!
        until (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; do
            kill -0 "$nginx_pid" 2>/dev/null || break
            sleep 0.02
        done
        if kill -0 "$nginx_pid" 2>/dev/null; then return 0; fi
        nginx_pid=
    done
    cat "$work/tls/nginx.log" >&2
    return 1
}

stop_nginx() {
    [ -n "${nginx_pid:-}" ] || return 0
    kill "$nginx_pid" 2>/dev/null || true
    wait "$nginx_pid" 2>/dev/null || true
    nginx_pid=
}
