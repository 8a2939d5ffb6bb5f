"""tlsrpt.py REPORT MAIL - judges a TLS report and the mail that carries it (RFC 8460 4.4, 5.1, 5.3)."""
import email
import email.policy
import gzip
import json
import re
import sys

# RFC 8463, appendix A.2
KEYS = {
    b'brisbane._domainkey.football.example.com.':
        b'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
    b'test._domainkey.football.example.com.':
        b'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6'
        b'Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+'
        b'PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
}
RESULTS = {
    'starttls-not-supported', 'certificate-host-mismatch', 'certificate-expired',
    'certificate-not-trusted', 'validation-failure', 'tlsa-invalid', 'dnssec-invalid',
    'dane-required', 'sts-policy-fetch-error', 'sts-policy-invalid', 'sts-webpki-invalid'}
TIME = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
REASON = '"\\/\b\f\n\r\t\x7f\x01 \u00e9 \u20ac \U0001f600 \ufffd\ufffd </script>'


def check(name, good, detail=''):
    print('ok ' + name if good else f'FAIL {name}: {detail}')


def once(pairs):
    names = [k for k, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def check_failure(f):
    names = {'result-type', 'sending-mta-ip', 'receiving-mx-hostname', 'receiving-ip',
             'failed-session-count', 'failure-reason-code'}
    return (set(f) <= names and f['result-type'] in RESULTS and
            type(f['failed-session-count']) is int and all(f.values()))


def check_policy(p):
    policy, summary = p['policy'], p['summary']
    names = {'policy-type', 'policy-domain'}
    if policy['policy-type'] != 'no-policy-found':
        names.add('policy-string')
    if policy['policy-type'] == 'sts':
        names.add('mx-host')
    lists = [policy[n] for n in ('policy-string', 'mx-host') if n in policy]
    failed = sum(f['failed-session-count'] for f in p.get('failure-details', []))
    return (set(policy) == names and policy['policy-domain'] == 'shopping.example.net' and
            all(isinstance(s, str) and s and '\n' not in s for one in lists for s in one) and
            set(summary) == {'total-successful-session-count', 'total-failure-session-count'} and
            failed == summary['total-failure-session-count'] and
            all(check_failure(f) for f in p.get('failure-details', [])))


def judge_report(raw):
    raw.decode('utf-8')
    r = json.loads(raw, object_pairs_hook=once)
    names = {'organization-name', 'date-range', 'contact-info', 'report-id', 'policies'}
    check('T-44: the report is JSON and has what RFC 8460 4.4 lists', set(r) == names, set(r))
    check('T-44: its dates are RFC 3339', all(TIME.match(t) for t in r['date-range'].values()) and
          set(r['date-range']) == {'start-datetime', 'end-datetime'}, r['date-range'])
    kinds = [p['policy']['policy-type'] for p in r['policies']]
    check('T-44: each policy has its members', kinds == ['sts', 'tlsa', 'no-policy-found'] and
          all(check_policy(p) for p in r['policies']), r['policies'])
    check('T-44: foreign text comes out as it went in',
          r['organization-name'] == 'M\u00fcller & "S\\hne"' and
          r['policies'][0]['failure-details'][-1]['failure-reason-code'] == REASON, r)


def judge_mail(raw, report):
    check('the mail has lines that end in CRLF, of 7-bit bytes',
          raw.isascii() and raw.count(b'\n') == raw.count(b'\r\n') == raw.count(b'\r') and
          max(map(len, raw.split(b'\r\n'))) <= 998)
    m = email.message_from_bytes(raw, policy=email.policy.default)
    parts = list(m.iter_parts())
    defects = [d for p in [m] + parts for d in p.defects]
    check('the mail is multipart/report; report-type=tlsrpt',
          m.get_content_type() == 'multipart/report' and m.get_param('report-type') == 'tlsrpt' and
          [p.get_content_type() for p in parts] == ['text/plain', 'application/tlsrpt+gzip'] and
          not defects, defects)
    check('its subject is that of RFC 8460 5.3',
          m['Subject'] == 'Report Domain: shopping.example.net Submitter: football.example.com '
          'Report-ID: <0000000000001@football.example.com>', m['Subject'])
    check('it has the fields that readers look for',
          m['TLS-Report-Domain'] == 'shopping.example.net' and m['TLS-Required'] == 'No' and
          m['TLS-Report-Submitter'] == 'football.example.com' and
          m['To'].addresses[0].addr_spec == 'suzie+tls@shopping.example.net', m.items())
    check('its file is named as RFC 8460 5.1 says', parts[1].get_filename() ==
          'football.example.com!shopping.example.net!1795392000!1795478399!0000000000001.json.gz',
          parts[1].get_filename())
    check('the attachment is the report', gzip.decompress(parts[1].get_content()) == report)


def judge_signatures(raw):
    try:
        import dkim
        import nacl  # for Ed25519
        assert nacl
    except ImportError as e:
        print(f'skip DKIM signatures: {e}')
        return

    def key_of(name, timeout=5):
        return KEYS.get(name if isinstance(name, bytes) else name.encode())

    def verified(message, index):
        try:
            return dkim.DKIM(message).verify(index, dnsfunc=key_of)
        except dkim.DKIMException:
            return False

    for index, kind in ((0, 'Ed25519'), (1, 'RSA')):
        check(f'dkimpy verifies the {kind} signature', verified(raw, index))
        for what, old, new in (('body', b'from football', b'from footbald'),
                               ('subject', b'Report Domain: s', b'Report Domain: z'),
                               ('second From', b'\r\nFrom: <', b'\r\nFrom: <x@y.z>\r\nFrom: <')):
            other = raw.replace(old, new, 1)
            check(f'and not with another {what} ({kind})',
                  other != raw and not verified(other, index))


def main():
    with open(sys.argv[1], 'rb') as f:
        report = f.read().rstrip(b'\n')
    with open(sys.argv[2], 'rb') as f:
        mail = f.read()
    judge_report(report)
    judge_mail(mail, report)
    judge_signatures(mail)


main()
