# DBD::Pg, driven by lines on stdin: `WHAT FORM DSN`, the DSN with user and password. Prints what it was told, then a line with a dot.
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:async PG_BYTEA);
binmode(STDOUT, ':utf8');
$| = 1;

my @reads = (
    ['SELECT * FROM shop WHERE id = ?', 7],
    ['SELECT * FROM shop WHERE id = ?', 100000],
    ['SELECT name, price, big FROM shop WHERE id IN (?, ?) ORDER BY id', 3, 5],
    ['SELECT count(*), sum(price), max(big) FROM shop WHERE price > ?', '100.00'],
    ['SELECT id, tags, data, raw FROM shop ORDER BY id LIMIT 20'],
    ['SELECT a.id FROM shop a JOIN shop b ON b.id = a.id + 1 WHERE a.id < ? ORDER BY 1', 9],
    ['SELECT name AS "Ünïcode" FROM shop WHERE name = ?', 'thing 11'],
);
# pg_server_prepare 0: PQexec; pg_switch_prepared: from which execution on a name is used.
my %form = (
    simple => { pg_server_prepare => 0 },
    unnamed => { pg_server_prepare => 1, pg_switch_prepared => -1 },
    prepared => { pg_server_prepare => 1, pg_switch_prepared => 1 },
);

sub text {
    my ($value) = @_;
    return 'NULL' unless defined $value;
    return '[' . join(',', map { text($_) } @$value) . ']' if ref $value eq 'ARRAY';
    $value =~ s/([^\x20-\x7e])/sprintf('\\x{%x}', ord $1)/ge;
    return $value;
}

sub show {
    my ($sth, $rows) = @_;
    print "rows $rows\n";
    return unless $sth->{NUM_OF_FIELDS};
    print join(' ', map { text($_) } @{ $sth->{NAME} }, @{ $sth->{pg_type} }), "\n";
    while (my $row = $sth->fetchrow_arrayref) { print text($row), "\n"; }
}

sub attempt {
    my ($dbh, $sql, @values) = @_;
    my $done = eval {
        my $sth = $dbh->prepare($sql);
        my $rows = $sth->execute(@values);
        show($sth, $rows);
        1;
    };
    print text($dbh->state), ' ', text((split /\n/, $dbh->errstr)[0]), "\n" unless $done;
}

sub reads {
    my ($dbh) = @_;
    for my $read (@reads) {
        my ($sql, @values) = @$read;
        my $sth = $dbh->prepare($sql);
        for (1 .. 2) { show($sth, $sth->execute(@values)); }
    }
}

sub transactions {
    my ($dbh) = @_;
    $dbh->begin_work;
    attempt($dbh, "INSERT INTO log (line) VALUES (?) RETURNING id, line", 'one');
    $dbh->pg_savepoint('s');
    attempt($dbh, 'SELECT 1 / 0');
    attempt($dbh, 'SELECT 2');
    $dbh->pg_rollback_to('s');
    attempt($dbh, 'SELECT count(*) FROM log');
    $dbh->commit;
    $dbh->begin_work;
    $dbh->do('DECLARE c CURSOR FOR SELECT id FROM shop ORDER BY id');
    attempt($dbh, "FETCH $_ FROM c") for (3, 5);
    $dbh->rollback;
    my $insert = $dbh->prepare('INSERT INTO log (line) VALUES (?)');
    my @status;
    print text(scalar $insert->execute_array({ ArrayTupleStatus => \@status }, ['a', 'b', 'c'])), text(\@status), "\n";
    print text($dbh->last_insert_id(undef, 'public', 'log', undef)), "\n";
    my $binary = $dbh->prepare('SELECT $1::bytea, length($1)');
    $binary->bind_param(1, "\0\1\xfe", { pg_type => PG_BYTEA });
    show($binary, $binary->execute);
    local $SIG{__WARN__} = sub { print 'warning ', text((split /\n/, $_[0])[0]), "\n" };
    attempt($dbh, 'SELECT fail(?)', 1);
}

sub bulk {
    my ($dbh) = @_;
    $dbh->do('COPY log (line) FROM STDIN');
    $dbh->pg_putcopydata("line $_\n") for 1 .. 1000;
    print text($dbh->pg_putcopyend), "\n";
    $dbh->do('COPY (SELECT line FROM log ORDER BY id) TO STDOUT');
    my ($bytes, $line) = (0, '');
    while ($dbh->pg_getcopydata($line) >= 0) { $bytes += length $line; }
    print "$bytes bytes\n";
    $dbh->do('COPY shop (id) FROM STDIN');
    $dbh->pg_putcopydata("not a number\n");
    eval { $dbh->pg_putcopyend; 1 } or print text($dbh->state), "\n";
    $dbh->begin_work;
    my $oid = $dbh->pg_lo_creat($dbh->{pg_INV_WRITE});
    my $large = $dbh->pg_lo_open($oid, $dbh->{pg_INV_WRITE});
    print text($dbh->pg_lo_write($large, 'x' x 100_000, 100_000)), "\n";
    print text($dbh->pg_lo_lseek($large, 5, 0)), text($dbh->pg_lo_tell($large)), "\n";
    $dbh->pg_lo_close($large);
    $dbh->pg_lo_unlink($oid);
    $dbh->commit;
}

sub signals {
    my ($dbh) = @_;
    $dbh->do('LISTEN news');
    $dbh->do("NOTIFY news, 'hello'");
    my $notify;
    select(undef, undef, undef, 0.01) until $notify = $dbh->pg_notifies;
    print text([$notify->[0], $notify->[2]]), "\n";
    $dbh->do('SELECT pg_sleep(30)', { pg_async => PG_ASYNC });
    select(undef, undef, undef, 0.2);
    print $dbh->pg_cancel ? "cancelled\n" : "not cancelled\n";
    attempt($dbh, "SELECT 'after the cancel'");
}

sub mixed {
    my ($dbh) = @_;
    open my $file, '<', $ARGV[0] or die $!;
    local $/ = undef;
    $dbh->do(<$file>);
    transactions($dbh);
    bulk($dbh);
    attempt($dbh, $_) for ('SELEC 1', 'SELECT * FROM nowhere', "SET TimeZone = 'Asia/Tokyo'", 'SELECT at FROM shop WHERE id = 1', 'DISCARD ALL', 'SELECT at FROM shop WHERE id = 1');
    print text([map { $_->[3] } @{ $dbh->column_info(undef, 'public', 'shop', '%')->fetchall_arrayref }]), "\n";
    print text([$dbh->primary_key(undef, 'public', 'shop')]), "\n";
    signals($dbh);
}

while (my $line = <STDIN>) {
    chomp $line;
    my ($what, $form, $dsn) = split / /, $line, 3;
    my %options = (RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 1, %{ $form{$form} });
    my $dbh = DBI->connect("dbi:Pg:$dsn", '', '', \%options);
    $what eq 'mixed' ? mixed($dbh) : reads($dbh);
    $dbh->disconnect;
    print ".\n";
}
