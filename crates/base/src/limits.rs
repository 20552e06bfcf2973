//! Every bound of the program, each with its reason. Nothing may grow without one of these.

/// Longest event kept in one piece, in bytes. Longer input is split into events of this size, each part but
/// the first marked as a continuation; nothing is cut away.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of an event of several lines: the longest stack traces and statements fit. What follows becomes an event of
/// its own, marked.
pub const MULTILINE_BYTES_MAX: usize = 1024 * 1024;

/// Lines of an event of several lines: a dump of all threads fits, a log whose lines only seem to belong together is
/// cut before it is one event.
pub const MULTILINE_LINES_MAX: usize = 10_000;

/// Lines of one event that nothing but the lack of a time puts there: where more follow each other, the line with a
/// time was a heading, and they are events.
pub const LOOSE_LINES_MAX: usize = 200;

/// Events in one batch handed to the store: bounds what one group commit holds in memory.
pub const BATCH_EVENTS_MAX: usize = 65_536;

/// Raw bytes after which an input hands over its batch: large enough to amortise an fsync, and small enough that the
/// two of each reader (one on its way, one being filled) are a few MiB.
pub const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Raw bytes a memory segment holds before it is written out, where nobody says otherwise. Four of them are in memory at
/// most, of which two are built into columns side by side: this keeps ingest below 256 MiB. Merging makes large ones.
pub const MEMORY_SEGMENT_BYTES: usize = 10 * 1024 * 1024;

/// Raw bytes that the settings may let a memory segment hold.
pub const MEMORY_SEGMENT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Events a segment may hold: row numbers are 32 bits, and a search works on one segment at a time.
pub const SEGMENT_EVENTS_MAX: usize = 1_000_000;

/// Raw bytes of a segment that is merged from smaller ones: what is decided once per pattern is decided once for all of
/// them. Merging reads one column after the other, so that it holds a fraction of this in memory, and runs beside ingest.
pub const MERGED_SEGMENT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Events of such a segment: of each, merging holds about 60 bytes.
pub const MERGED_SEGMENT_EVENTS_MAX: usize = 2_000_000;

/// Segments merged into one at most: each is an open file and a directory in memory.
pub const MERGE_INPUTS_MAX: usize = 64;

/// Bytes on the disk for what was read of segments in an object store: some thousand footers and the blocks of recent
/// searches.
pub const ARCHIVE_CACHE_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes of a segment in an object store that are read at once and cached together: about what passes in the time that
/// a request takes to be answered.
pub const ARCHIVE_PIECE_BYTES: u64 = 256 * 1024;

/// Requests to object stores whose bytes stay in memory: one for each thread that reads segments.
pub const ARCHIVE_RUNS_MAX: usize = 16;

/// Bytes of one request to an object store when a search reads on and on.
pub const ARCHIVE_READ_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of a part in which a large object is sent and read back: the smallest that S3 takes, so that a part passes on
/// slow lines before the time for a request is over.
pub const ARCHIVE_PART_BYTES: u64 = 5 * 1024 * 1024;

/// Bytes of the file that makes room for a commit on a disk that is full to the last byte.
pub const BALLAST_BYTES: u64 = 4 * 1024 * 1024;

/// Legal holds at once: every removal looks at all of them.
pub const HOLDS_MAX: usize = 1_000;

/// Age after which a memory segment is written out even if small, in seconds.
pub const MEMORY_SEGMENT_AGE_SECONDS_MAX: u64 = 300;

/// Patterns a segment may hold. Beyond it, rows go to one pattern that is a single raw slot: hostile input
/// then costs no more than plain compression.
pub const SEGMENT_PATTERNS_MAX: usize = 4_096;

/// Bytes of one journal record: a length field beyond it is damage, not data.
pub const JOURNAL_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one journal file before the next is started.
pub const JOURNAL_FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// The highest number of a journal file: its name has sixteen digits, and one of seventeen would not be found.
pub const JOURNAL_FILE_NUMBER_MAX: u64 = 9_999_999_999_999_999;

/// The highest number of an event or a journal record: the catalog's numbers are signed. At a million events a
/// second it lasts for 292,000 years.
pub const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// Distinct fields that a search for all fields returns as columns; more are counted in a message.
pub const SEARCH_COLUMNS_MAX: usize = 1_000;

/// Rows in one record batch that leaves a scan.
pub const SCAN_BATCH_ROWS: usize = 8_192;

/// Memory that searches share, in bytes; beyond it operators spill to disk.
pub const SEARCH_MEMORY_BYTES: usize = 512 * 1024 * 1024;

/// Bytes of rows that a command whose columns depend on them keeps in memory, if the pool has them; more go to disk. A
/// search that is looked at fits; the rest of the pool is for sorts and aggregations.
pub const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Segments that an explanation looks into: each has its filter decided, and a person reads no more.
pub const EXPLAINED_SEGMENTS_MAX: usize = 100;

/// Nesting of expressions and queries in a statement of SQL: its parser recurses with large frames, and the rewriting
/// of names looks at each level once more.
pub const SQL_DEPTH_MAX: usize = 50;

/// Different values that a scan counts in memory without rows, about 100 bytes each; with more, rows are grouped, which can
/// use the disk.
pub const COUNTED_VALUES_MAX: usize = 500_000;

/// Memory that one search may use of what searches share, in bytes, unless the settings or the request say otherwise: one
/// cannot take it all.
pub const SEARCH_MEMORY_BYTES_ONE: usize = SEARCH_MEMORY_BYTES / 2;

/// Bytes on the disk that searches may use together for what does not fit in memory.
pub const SEARCH_SPILL_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// Seconds that a search through the server may take unless the settings or the request say otherwise: longer than anybody
/// waits for an answer, and short enough that what was started by mistake ends.
pub const SEARCH_SECONDS_MAX: u64 = 600;

/// Bytes of text that an expression may make of the rows of one batch: a few that double each other would otherwise fill the
/// memory.
pub const COMPUTED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Values of one multivalue that an expression may make: ten times what `mvrange` gives.
pub const COMPUTED_VALUES_MAX: usize = 10 * MULTIVALUE_VALUES_MAX;

/// Commands of a query, those in brackets included: each is a level of the plan, which is run by recursion, and a thread's
/// stack of 2 MiB must hold it in a debug build too.
pub const QUERY_COMMANDS_MAX: usize = 200;

/// Searches in brackets of one query: each reads segments on threads of its own while the others wait.
pub const QUERY_SEARCHES_MAX: usize = 50;

/// Bytes of a query's text.
pub const QUERY_BYTES_MAX: usize = 1024 * 1024;

/// Nesting of parentheses, functions and subsearches in a query: parsers recurse, and a thread's stack of 2 MiB
/// must hold that many levels in a debug build too.
pub const QUERY_DEPTH_MAX: usize = 100;

/// Searches in brackets within each other, and saved searches that call each other; what Splunk allows.
pub const SUBSEARCH_DEPTH_MAX: usize = 8;

/// Rows that a search in brackets turns into text, unless its `format` says otherwise; what Splunk uses too, but we say
/// when there are more.
pub const SUBSEARCH_ROWS_MAX: usize = 10_000;

/// Seconds that a search in brackets may take before the outer search goes on with what there is; it says so.
pub const SUBSEARCH_SECONDS_MAX: u64 = 60;

/// Bytes of text that a search in brackets may become: it is parsed again, and held in memory several times over.
pub const SUBSEARCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Searches in brackets whose text is kept within a search, so that the same one is not run again, as under `map`.
pub const SUBSEARCH_TEXTS_MAX: usize = 64;

/// Bytes of such a text: with [`SUBSEARCH_TEXTS_MAX`] of them 16 MiB at most.
pub const SUBSEARCH_TEXT_BYTES_MAX: usize = 256 * 1024;

/// Macros within macros; what Splunk allows.
pub const MACRO_DEPTH_MAX: usize = 100;

/// Macros expanded in one query: a few that double each other would otherwise never come to an end.
pub const MACRO_CALLS_MAX: usize = 10_000;

/// Bytes of a file of macros, saved searches or event types: a person writes these.
pub const KNOWLEDGE_FILE_BYTES_MAX: u64 = QUERY_BYTES_MAX as u64;

/// Bytes of a lookup's file: its table is held in memory while a search uses it.
pub const LOOKUP_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Rows that `makeresults` and `gentimes` make: more is a slip of the keyboard.
pub const MADE_ROWS_MAX: usize = 10_000_000;

/// Bytes of the rows that `join` finds by a table of their keys; with more, both sides are sorted, on the disk if need be.
pub const JOIN_TABLE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Searches that `map` runs unless told otherwise; what Splunk runs too, but we say when there are more rows.
pub const MAP_SEARCHES_DEFAULT: usize = 10;

/// Seals in one log of evidence: each takes about 150 bytes of memory while the log is open.
pub const EVIDENCE_SEALS_MAX: usize = 4_000_000;

/// Bytes of one line in a file of evidence: a longer one is damage.
pub const EVIDENCE_LINE_BYTES_MAX: usize = 4_096;

/// Broken places that a report on evidence spells out; the rest is counted.
pub const EVIDENCE_FINDINGS_MAX: usize = 100;

/// Pattern ids remembered per index for telling new ones: 8 MB each. Beyond it, new patterns are no longer told.
pub const KNOWN_PATTERNS_MAX: usize = 1_000_000;

/// Bytes of a JSON request body: a query of the longest kind, and room for the rest.
pub const REQUEST_BODY_BYTES_MAX: usize = QUERY_BYTES_MAX + 64 * 1024;

/// Bytes of an ingest body as it is sent. Held in memory while it is read, so a larger load comes in parts.
pub const INGEST_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that a compressed ingest body may expand to: 4 MiB of zeros can otherwise name terabytes. Expanded
/// bodies are held in memory, twice while they become events.
pub const INGEST_EXPANDED_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Bytes that a batch of records of Kafka may unpack to: what a producer sends in one go is a megabyte mostly. What is beyond is counted
/// as not read.
pub const KAFKA_UNPACKED_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Batches of one input that are unpacked at once; other partitions wait. Bounds their memory together.
pub const KAFKA_UNPACKED_MAX: usize = 2;

/// Ingest bodies held at once; more wait. Bounds their memory together.
pub const INGEST_BODIES_MAX: usize = 4;

/// Searches that run at once through the server; more wait, and one caller has three quarters of these at most. Ingest goes
/// before search.
pub const SEARCHES_RUNNING_MAX: usize = 16;

/// Searches that run beside these because they have run for long: a few of them must not keep short ones waiting.
pub const SEARCHES_LONG_MAX: usize = 8;

/// Seconds after which a search is a long one: whoever waits for an answer has turned to something else.
pub const SEARCH_LONG_SECONDS: u64 = 10;

/// Searches that wait for a place: each holds a connection and its parsed query.
pub const SEARCHES_WAITING_MAX: usize = 1_000;

/// Bytes of a thread's stack where searches run: plans are run by recursion, and `foreach` makes a level of each field.
/// Only what is used of it takes memory.
pub const SEARCH_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Threads that read segments for searches: a search has a few, one with others in brackets many, and each waits for its
/// reader.
pub const SEARCH_READERS_MAX: usize = 2_048;

/// Seconds that the results of a job are kept after somebody last asked for it, unless the settings say otherwise.
pub const JOB_KEEP_SECONDS: u64 = 3_600;

/// Bytes on the disk for the results of all jobs, unless the settings say otherwise.
pub const JOB_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;

/// Jobs that are known at once, those included that wait or have ended: each is a file and a few kilobytes of memory.
pub const JOBS_MAX: usize = 1_000;

/// Rows of a job's results in one part of its file: what is read to give a page of them.
pub const JOB_PART_ROWS: usize = SCAN_BATCH_ROWS;

/// Live tails open at once; each holds a task and a subscription.
pub const TAILS_OPEN_MAX: usize = 256;

/// Audit events that wait to be written; whoever causes more waits.
pub const AUDIT_QUEUE_EVENTS_MAX: usize = 1_024;

/// Different sources that the server counts for its live line.
pub const METER_SOURCES_MAX: usize = 10_000;

/// Seconds that a stopping server waits for requests that are being answered.
pub const STOP_WAIT_SECONDS_MAX: u64 = 10;

/// Sources (files, listeners) that one input counts each by itself; further ones share one account.
pub const INPUT_SOURCES_MAX: usize = 10_000;

/// Different problems of one input that are kept in words; all of them are counted.
pub const INPUT_PROBLEMS_MAX: usize = 100;

/// Senders whose time zone and format a syslog listener remembers; beyond it, it learns them anew.
pub const SYSLOG_PEERS_MAX: usize = 10_000;

/// Syslog connections over TCP open at the same time: each costs a file handle and a small task.
pub const SYSLOG_TCP_CONNECTIONS_MAX: usize = 5_000;

/// Bytes of one syslog message over TCP before it is split, so that many connections cannot fill the memory.
pub const SYSLOG_TCP_MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of unfinished messages of all connections of a listener together; beyond it, connections that hold
/// some are closed (and what they held is kept).
pub const SYSLOG_HELD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Receive buffer asked for by the UDP listener: about 50,000 datagrams, a second's worth at a high rate.
pub const SYSLOG_UDP_BUFFER_BYTES: usize = 64 * 1024 * 1024;

/// Distinct values that a percentile keeps before it estimates: 24 bytes each, in every group.
pub const PERCENTILE_VALUES_MAX: usize = 50_000;

/// Values that `list()` keeps in each group; what Splunk keeps too.
pub const LIST_VALUES_MAX: usize = 100;

/// Rows that `sort` keeps unless told otherwise; `sort 0` keeps all. What Splunk keeps too, but we say so.
pub const SORT_ROWS_DEFAULT: usize = 10_000;

/// Buckets of a timechart or timeline: a chart of more has more points than any screen.
pub const TIME_BUCKETS_MAX: usize = 100_000;

/// Different series of a timechart with `limit=0`: each is a column.
pub const CHART_SERIES_MAX: usize = 2_000;

/// Rows of a window of `streamstats` or `trendline`, and rows that `autoregress` and `delta` look back; what Splunk
/// allows too. Some functions look at every row of the window for each row.
pub const WINDOW_ROWS_MAX: usize = 10_000;

/// Distinct values that the field summary counts for each field; beyond it, values are no longer told apart.
pub const SUMMARY_VALUES_MAX: usize = 10_000;

/// Events that the field summary looks at: newest first. Beyond it the counts are of these, and it says so.
pub const SUMMARY_EVENTS_MAX: usize = 100_000;

/// Patterns named for each one of a pattern summary, which stands for all that differ in a word or two: enough to
/// search for them, in a query that somebody can still read.
pub const PATTERN_MEMBERS_MAX: usize = 200;

/// Folders within folders that an import or a followed folder goes into: deeper ones are links in a circle.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// Hosts whose silence is noticed, whoever sends for them: some 100 bytes each.
pub const WATCHED_HOSTS_MAX: usize = 200_000;

/// Segments that a store keeps open: each holds a file descriptor and its footer, and searches go over the
/// newest again and again.
pub const OPEN_SEGMENTS_MAX: usize = 256;

/// Bytes of memory that the directories of these take, about: one of a segment with events of 50,000 hosts takes some megabytes.
pub const OPEN_SEGMENTS_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of unpacked blocks that a store keeps for searches where nobody says otherwise: unpacking is most of what a search
/// costs that was asked before, and what searches of a gigabyte of logs touch is about this much.
pub const BLOCK_CACHE_BYTES: usize = 128 * 1024 * 1024;

/// Raw bytes that wait for the journal: two full batches of a few inputs; beyond it, senders wait.
pub const APPEND_QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one group commit: long enough to make a sync cheap, short enough that the first of the group does
/// not wait for long.
pub const JOURNAL_GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Ids of events that are known, of all senders together, each 16 bytes in tables of 17 bytes a place: two tables of 2^19 places are full with
/// them, so 18 MB of memory and 15 MB of catalog at most. Far above what senders send again after an outage: that is what they had not
/// been answered for.
pub const KNOWN_IDS_MAX: usize = 2 * (7 << 16);

/// Hours for which an id is known at least, where no more come than are kept: CloudTrail may deliver a record again hours later.
pub const KNOWN_IDS_HOURS: u64 = 24;

/// Senders whose ids are known; of further ones the one that was silent for longest is forgotten.
pub const KNOWN_ID_SCOPES_MAX: usize = 1_024;

/// Bytes that must stay free on the disk for an append to be taken: a memory segment can then still be
/// written out, which is what makes the journal shorter.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// Files that one input follows: each costs a few hundred bytes, and up to an event's size for a last line.
pub const FILES_FOLLOWED_MAX: usize = 100_000;

/// Files that one input holds open: the usual limit of a process is 1,024 for everything.
pub const FILES_OPEN_MAX: usize = 512;

/// Days after which the position of a file that is not there any more is forgotten.
pub const FILE_POSITION_DAYS_MAX: i64 = 90;

/// Values that one call of a function may put into a multivalue: `mvrange(0, 1e15)` must not fill the memory.
pub const MULTIVALUE_VALUES_MAX: usize = 100_000;

/// Bytes from the start of an event in which its time is looked for: it stands near the beginning, what comes
/// later is more often about something else, and the search is made for every event.
pub const TIME_SCAN_BYTES_MAX: usize = 1_024;

/// Bytes from the start of an event in which a format file's `[time]` is looked for: it says where to look, so that further on is
/// meant, but the time of an event is not at the end of a core dump.
pub const TIME_RULE_BYTES_MAX: usize = 64 * 1024;

/// Hosts remembered per source of events, some 200 bytes each: a relay speaks for fifty thousand. Beyond it they are learned anew.
pub const DECODER_HOSTS_MAX: usize = 65_536;

/// Hosts that a listener remembers of all its senders together, some 200 bytes each, or a kilobyte where a protocol names them: 50 to
/// 250 MB at the very most. Beyond it they are learned anew, which is said.
pub const LISTENER_HOSTS_MAX: usize = 4 * DECODER_HOSTS_MAX;

/// Fields that are extracted from one event: a hostile one may have a million, a person reads a hundred.
pub const EVENT_FIELDS_MAX: usize = 1_000;

/// Bytes of tables of lookups that stay parsed between searches: many small ones, or one of a million rows.
pub const LOOKUPS_KEPT_BYTES_MAX: usize = 64 << 20;

/// Bytes of databases of the places of addresses, which are kept in memory: the free ones of cities have 60 to 130 MB.
pub const PLACES_BYTES_MAX: u64 = 512 << 20;

/// Databases of places: each is asked for each address.
pub const PLACES_FILES_MAX: usize = 16;

/// Addresses whose places one `iplocation` remembers: some 50 MB.
pub const PLACES_REMEMBERED_MAX: usize = 200_000;

/// Format files that people add: some times what the largest collections have; an index keeps a pattern from being asked by all.
pub const FORMAT_FILES_MAX: usize = 10_000;

/// Rules of one format file: a person writes tens.
pub const FORMAT_RULES_MAX: usize = 1_000;

/// Columns that a format file may name: as many as an event has fields.
pub const FORMAT_COLUMNS_MAX: usize = EVENT_FIELDS_MAX;

/// Bytes that an expression of `[event]` may take compiled, as it runs over every line of its sourcetype.
pub const EVENT_EXPRESSION_BYTES_MAX: usize = 1 << 20;

/// Bytes that a format is learnt from: 10,000 lines of 800 bytes. More of the same say nothing new.
pub const LEARN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Lines that a format is learnt from: a hundred are enough, ten thousand take some seconds.
pub const LEARN_LINES_MAX: usize = 10_000;

/// Bytes of an event that a format is learnt from: its rules would be longer than a person reads.
pub const LEARN_EVENT_BYTES_MAX: usize = 64 * 1024;

/// Tokens of a line that a format is learnt from: what comes behind them is left to the search.
pub const LEARN_TOKENS_MAX: usize = 200;

/// Rules that are proposed at once: a person reads tens.
pub const LEARN_RULES_MAX: usize = 100;

/// Fields that are listed of a proposed format.
pub const LEARN_FIELDS_MAX: usize = 200;

/// Elements within elements of XML whose fields are extracted; events of Windows have five.
pub const XML_DEPTH_MAX: usize = 64;

/// Objects within objects whose fields are extracted; deeper ones are stepped over.
pub const JSON_DEPTH_MAX: usize = 64;

/// Findings of a check that are shown; the rest is counted. Who has more restores from a copy.
pub const CHECK_FINDINGS_MAX: usize = 1_000;

/// Rows of a group of an exported Parquet file: what DuckDB reads at a time, about.
pub const EXPORT_GROUP_ROWS_MAX: usize = 131_072;

/// Bytes of events in a group of an exported Parquet file, which is held in memory until it is written.
pub const EXPORT_GROUP_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of the values of a page that are put together from others: pages are cut at 4 MiB, or hold one event of the
/// longest kind. More is damage: a few bytes could otherwise claim any amount.
pub const PAGE_VALUES_BYTES_MAX: usize = 2 * EVENT_BYTES_MAX;

/// Damaged places that a search tells one by one; further events that cannot be read are added to the last.
pub const UNREAD_TOLD_MAX: usize = 50;

/// Bytes of each text that `diff` and `mdiff` compare unless told otherwise; what Splunk compares too, but we say so.
pub const DIFF_BYTES_DEFAULT: usize = 100_000;

/// Memory that comparing two texts takes for each of their lines, beside the text: its place, its number, and its share
/// of the tables of the search.
pub const DIFF_LINE_BYTES: usize = 100;

/// Events of a transaction unless told otherwise; a message says when one is closed for it. What Splunk takes too.
pub const TRANSACTION_EVENTS_DEFAULT: usize = 1_000;

/// Groups that `cluster` makes: each new text is compared with all of them. What Splunk makes too, but we say so.
pub const CLUSTERS_MAX: usize = 10_000;

/// Values that `anomalies` compares each value with: all of them are gone through for each row.
pub const ANOMALIES_VALUES_MAX: usize = 10_000;

/// Columns, and rows, of a table of `contingency`: more cannot be looked at.
pub const CONTINGENCY_MAX: usize = 1_000;

/// Fields that `correlate` compares, each with each. What Splunk takes too.
pub const CORRELATE_FIELDS_MAX: usize = 1_000;

/// Points of a season of `predict`, which costs the square of it for each row: a year of days.
pub const PREDICT_PERIOD_MAX: usize = 400;

/// Rows that `predict` adds at most: the farther, the less they say.
pub const PREDICT_FUTURE_MAX: usize = 10_000;
/// Fields that `autoregress` makes: each is a column of its own.
pub const LOOK_BACK_COLUMNS_MAX: usize = 1_000;

/// Values of a field that `fieldsummary` lists: they are one text in one row.
pub const FIELDSUMMARY_VALUES_MAX: usize = 100_000;

/// Events that a route reads in one go: enough that finding them is little beside sending them.
pub const ROUTE_BATCH_EVENTS: usize = 10_000;

/// Bytes of them: a route holds one batch that is being sent and one that comes next.
pub const ROUTE_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Arrivals of which a route finds none that it sends, until it goes on from behind them: what it may look at once more after a crash.
pub const ROUTE_LOOK_ARRIVALS: u64 = 1_000_000;

/// Bytes of events in one request over HTTP, about: well below what receivers refuse, and far above what a request costs by itself.
pub const OUTPUT_REQUEST_BYTES: usize = 2 * 1024 * 1024;

/// Bytes after which a connection is given what was put together for it: each such part has to be taken within the time for an answer.
pub const OUTPUT_WRITE_BYTES: usize = 1024 * 1024;

/// Seconds that a receiver may take to let us connect, TLS included.
pub const OUTPUT_CONNECT_SECONDS: u64 = 10;

/// Seconds that a receiver may take to read what we send, and to answer.
pub const OUTPUT_REPLY_SECONDS: u64 = 30;

/// Bytes of a receiver's answer that are read: one that says more is broken, or no receiver.
pub const OUTPUT_REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Routes of a server: each reads all that arrives.
pub const ROUTES_MAX: usize = 100;

/// Bytes of an envelope of Windows Event Forwarding as it is sent. Sources are told to send far less; one long event is let through.
pub const WEF_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that it may expand to: a packed one can otherwise name 200 times its size.
pub const WEF_EXPANDED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of envelopes that are being received on all connections together; beyond it, they are answered with an error and come again.
pub const WEF_HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Envelopes that are taken apart and stored at the same time: each costs up to three times what it expands to.
pub const WEF_TOGETHER_MAX: usize = 4;

/// Elements within elements of an envelope: Windows has eight.
pub const WEF_DEPTH_MAX: usize = 100;

/// Sources of Windows Event Forwarding whose progress is kept, per input: some kilobytes each. Further ones are refused, and keep their events.
pub const WEF_SOURCES_MAX: usize = 20_000;

/// Bytes of a bookmark that is kept: about 100 for each channel.
pub const WEF_BOOKMARK_BYTES_MAX: usize = 256 * 1024;

/// Channels of a source whose record numbers are watched. A Windows has about 1,000.
pub const WEF_CHANNELS_MAX: usize = 2_000;

/// Events of the last envelope of a source that are told when they come again: eight bytes each.
pub const WEF_RECENT_EVENTS_MAX: usize = 8_192;
