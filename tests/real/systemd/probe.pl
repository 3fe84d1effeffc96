# Runs in the service's sandbox and tries what must fail there, and a few things that must not:
# one line for each, with its name and `ok` or the error's name.
use strict;
use warnings;
use Errno ();
use POSIX ();
use Socket;

die "system calls are numbered otherwise here\n" unless (POSIX::uname())[4] eq 'x86_64';
$| = 1;

sub error {
    for my $name (keys %!) { return $name if $!{$name} && $name !~ /^(EWOULDBLOCK|ENOTSUP)$/ }
    return "error " . ($! + 0);
}
sub found { my ($name, $done) = @_; print "$name ", ($done ? 'ok' : error()), "\n"; }

sub writes {
    my ($name, $path) = @_;
    my $done = open(my $file, '>', $path);
    found($name, $done);
    unlink $path if $done;
}
writes('write-state', '/var/lib/calway/probe');
writes('write-run', '/run/calway/probe');
writes('write-etc', '/etc/calway/probe');
writes('write-etc-systemd', '/etc/systemd/system/probe.service');
writes('write-usr', '/usr/bin/probe');
writes('write-var', '/var/lib/probe');
writes('write-log', '/var/log/probe');
writes('write-home', '/root/probe');
writes('write-credstore', '/etc/credstore.encrypted/probe');
found('read-root', opendir(my $root, '/root'));
found('read-credstore', opendir(my $store, '/etc/credstore.encrypted'));
found('read-secret', open(my $secret, '<', "$ENV{CREDENTIALS_DIRECTORY}/store.key"));
found('see-first-process', -e '/proc/1/status');
found('see-devices', -e '/dev/net');
found('see-kernel', -e '/proc/meminfo');
# Planted where everybody sees it.
found('see-tmp', -e '/tmp/planted');
found('see-var-tmp', -e '/var/tmp/planted');
writes('write-kernel', '/proc/sys/kernel/core_pattern');
writes('write-cgroup', '/sys/fs/cgroup/cgroup.max.depth');

# Numbers of x86-64.
my %call = (
    'mount' => [165, 0, 0, 0, 0, 0], 'unshare' => [272, 0x10000000], 'change-root' => [161, 0],
    'ptrace' => [101, 0x4206, 0x3ffffe, 0, 0], 'read-of-processes' => [310, 0, 0, 0, 0, 0, 0],
    'bpf' => [321, 0, 0, 0], 'perf' => [298, 0, 0, 0, 0, 0], 'userfault' => [323, 0],
    'reboot' => [169, 0, 0, 0], 'load-module' => [175, 0, 0, 0], 'set-clock' => [227, 0, 0],
    'swap-on' => [167, 0, 0], 'message-queue' => [68, 1, 0], 'io-uring' => [425, 1, 0],
    'personality' => [135, 8],
);
for my $name (sort keys %call) {
    my ($number, @arguments) = @{ $call{$name} };
    found("call-$name", syscall($number, @arguments) != -1);
}
# Memory that can be written and run.
found('write-and-run', syscall(9, 0, 4096, 7, 0x22, -1, 0) != -1);
found('set-user', POSIX::setuid(0));
found('socket-packet', socket(my $packet, 17, SOCK_RAW, 0));
found('socket-netlink', socket(my $netlink, 16, SOCK_RAW, 0));
my $pid = fork();
if ($pid == 0) { { exec "/bin/true" }; POSIX::_exit(9); }
waitpid($pid, 0);
print 'run-a-program ', ($? == 0 ? 'ok' : 'refused'), "\n";

# A closed port answers; where nothing may be sent, there is no answer to see.
sub reach {
    my ($name, $address) = @_;
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or return found($name, 0);
    local $SIG{ALRM} = sub { die "in vain\n" };
    my $done = eval { alarm 3; connect($socket, sockaddr_in(9, inet_aton($address))) };
    alarm 0;
    print "$name timeout\n" and return if $@;
    found($name, $done);
}
reach('reach-inside', '192.0.2.10');
reach('reach-outside', '203.0.113.5');

open(my $status, '<', '/proc/self/status') or die;
while (<$status>) { print "$1 $2\n" if /^(CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):\s+(\S+)/ }
