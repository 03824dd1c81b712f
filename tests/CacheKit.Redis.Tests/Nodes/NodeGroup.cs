using System.Diagnostics;
using System.Globalization;
using CacheKit.NodeCheck;
using CacheKit.Redis.Tests.Rig;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Several nodes on one Redis, what they know together, and what befalls them.</summary>
internal sealed class NodeGroup : IAsyncDisposable
{
    /// <summary>Where one harm fills the time there is, it goes on until something has been checked.</summary>
    private const int FewestHits = 500;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    // A master of a cluster takes no writes for two seconds after its start.
    private static readonly TimeSpan _betweenRestarts = TimeSpan.FromSeconds(8);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-nodes-");
    private readonly NodeProcess[] _nodes;
    private readonly Func<int, NodeProcess> _start;
    private readonly NodeServers _servers;
    private readonly string _prefix;
    private readonly SortedDictionary<string, int> _disturbances = new(StringComparer.Ordinal);
    private long _restarted;

    private NodeGroup(NodeServers servers, string prefix, string verb, int nodes, (string, object)[] options)
    {
        (_servers, _prefix) = (servers, prefix);
        Table = new(Path.Combine(_folder.FullName, "table"));
        Accounts = new(Path.Combine(_folder.FullName, "table.accounts"));
        _start = node => NodeProcess.Start(
            verb,
            [
                ("node", node), ("configuration", servers.ConfigurationOf(node)), ("prefix", prefix),
                ("table", Path.Combine(_folder.FullName, "table")), ("disk", Path.Combine(_folder.FullName, $"disk{node}")), .. options,
            ]);
        _nodes = [.. Enumerable.Range(0, nodes).Select(_start)];
    }

    internal NodeTable Table { get; }

    internal AccountTable Accounts { get; }

    internal IReadOnlyList<NodeProcess> Nodes => _nodes;

    internal string Output => string.Concat(_nodes.Select(node => node.Output));

    /// <summary>Starts them, and waits until all are ready.</summary>
    /// <param name="servers">Their Redis.</param>
    /// <param name="prefix">Of their keys.</param>
    /// <param name="verb">What they do.</param>
    /// <param name="nodes">How many they are.</param>
    /// <param name="options">What else they are told.</param>
    internal static async Task<NodeGroup> StartAsync(NodeServers servers, string prefix, string verb, int nodes, params (string Name, object Value)[] options)
    {
        var group = new NodeGroup(servers, prefix, verb, nodes, options);
        var began = Stopwatch.GetTimestamp();
        while (group.Table[Counter.Ready] < nodes)
        {
            if (Stopwatch.GetElapsedTime(began) > _patience || group._nodes.Any(node => node.HasExited))
            {
                var output = group.Output;
                await group.DisposeAsync();
                Assert.Fail("The nodes have not begun. " + output);
            }

            await Task.Delay(10);
        }

        return group;
    }

    internal NodeProcess StartAnother(int node) => _nodes[node] = _start(node);

    /// <summary>Tells those with traffic to stop, and waits until they have.</summary>
    internal async Task StopAsync()
    {
        Table.IsStopping = true;
        foreach (var node in _nodes)
        {
            (await node.EndAsync(_patience)).Should().BeTrue("a node ends when told to. {0}", node.Output);
        }
    }

    /// <summary>Does one harm after another, until the time is over, and enough was read.</summary>
    /// <param name="duration">For how long.</param>
    /// <param name="harms">What else than interruptions.</param>
    /// <param name="longestPause">Between two of them, in milliseconds.</param>
    internal async Task DisturbAsync(TimeSpan duration, Harms harms, int longestPause = 40)
    {
        var began = Stopwatch.GetTimestamp();
        while (Table[Counter.Violations] == 0
            && Stopwatch.GetElapsedTime(began) is var passed && (passed < duration || (harms.HasFlag(Harms.Losses) && Table[Counter.Hits] < FewestHits && passed < _patience)))
        {
            await Task.Delay(Random.Shared.Next(longestPause));
            switch (Random.Shared.Next(60))
            {
                case < 5:
                    await SendAsync("SCRIPT FLUSH", "SCRIPT", "FLUSH");
                    break;
                case < 10:
                    await SendAsync("CLIENT KILL TYPE pubsub", "CLIENT", "KILL", "TYPE", "pubsub");
                    break;
                case < 13:
                    await SendAsync("CLIENT PAUSE", "CLIENT", "PAUSE", Random.Shared.Next(50, 600), "ALL");
                    break;
                case < 15 when _servers.Proxies is { Length: > 0 } proxies:
                    Note("half-open connections");
                    var proxy = proxies[Random.Shared.Next(proxies.Length)];
                    proxy.HalfOpen();
                    await Task.Delay(Random.Shared.Next(2000));
                    proxy.Cut();
                    break;
                case < 17 when _servers.Proxies is { Length: > 0 } proxies:
                    Note("connections cut");
                    proxies[Random.Shared.Next(proxies.Length)].Cut();
                    break;
                case 17 when harms.HasFlag(Harms.DeathOfNodes):
                    Note("kill -9 and restart of a node");
                    var node = Random.Shared.Next(_nodes.Length);
                    await _nodes[node].DisposeAsync();
                    Table.Forget(node);
                    StartAnother(node);
                    break;
                case > 17 and < 55 when harms.HasFlag(Harms.Losses):
                    await LoseRecordAsync();
                    break;
                case >= 55 and < 58 when harms.HasFlag(Harms.Losses):
                    if (_servers.IsCluster && Random.Shared.Next(2) == 0)
                    {
                        var one = _servers.Servers[Random.Shared.Next(_servers.Servers.Length)];
                        await LoseAllAsync(() => SendAsync("FLUSHALL of one node", [one], "FLUSHALL"));
                    }
                    else
                    {
                        await LoseAllAsync(() => SendAsync("FLUSHALL", "FLUSHALL"));
                    }

                    break;
                case >= 58 when harms.HasFlag(Harms.Losses) && (!_servers.IsCluster || _restarted == 0 || Stopwatch.GetElapsedTime(_restarted) > _betweenRestarts):
                    await LoseAllAsync(() => RestartAsync(_servers.Servers[Random.Shared.Next(_servers.Servers.Length)]));
                    break;
            }
        }
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {Table[Counter.Hits]:N0} hits of {Table[Counter.Reads]:N0} reads checked, {Table[Counter.Violations]:N0} violations; {Table[Counter.Factories]:N0} factories, {Table[Counter.Changes]:N0} changes, {Table[Counter.Undelivered]:N0} at first undelivered, {Table[Counter.Counts]:N0} counts, {Table[Counter.Locks]:N0} locks;
        {Table[Counter.Excused]:N0} older by a loss, of {Table[Counter.Followers]:N0} that joined {Table[Counter.Lagging]:N0} lagged; {Table[Counter.Dropped]:N0} messages dropped, {Table[Counter.Failures]:N0} calls of Redis failed, {Table[Counter.Overlaps]:N0} factories overlapped, {Table[Counter.Exceptions]:N0} exceptions to callers, longest read {Table[Counter.LongestRead] / 1000.0:N0} ms;
        {string.Join(", ", _disturbances.Select(one => $"{one.Key}: {one.Value}"))}
        """);

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        Table.Dispose();
        Accounts.Dispose();
        _folder.Delete(recursive: true);
    }

    private Task LoseRecordAsync() => Random.Shared.Next(36) switch
    {
        < 20 => SendAsync("DEL a tag's record", "DEL", $"{_prefix}/nodes/t:{(Random.Shared.Next(2) == 0 ? $"known:{Random.Shared.Next(3)}" : $"late:{Random.Shared.Next(2)}")}"),
        < 26 => SendAsync("DEL a record of clears", "DEL", $"{_prefix}/nodes/a:{Random.Shared.Next(8)}"),
        < 32 => SendAsync("DEL clock", "DEL", $"{_prefix}/nodes/clock"),
        _ => SendAsync("DEL log", "DEL", $"{_prefix}/nodes/log"),
    };

    /// <summary>
    /// A single server loses all at once, its clock included, and with that whatever was being made counts as old. Of a cluster one node may lose the traces of removals
    /// while the clock goes on: what is promised then holds for values whose making begins afterwards.
    /// </summary>
    private async Task LoseAllAsync(Func<Task> lose)
    {
        if (!_servers.IsCluster)
        {
            await lose();
            return;
        }

        Table.CountLoss();
        await lose();
        Table.CountLoss();
    }

    private async Task RestartAsync(RedisServer server)
    {
        Note("kill -9 and restart of a server");
        await server.KillAsync();
        await Task.Delay(Random.Shared.Next(300));
        await server.LaunchAsync();
        _restarted = Stopwatch.GetTimestamp();
    }

    private void Note(string what) => _disturbances[what] = _disturbances.GetValueOrDefault(what) + 1;

    private Task SendAsync(string what, params object[] command) => SendAsync(what, _servers.Servers, command);

    private async Task SendAsync(string what, RedisServer[] servers, params object[] command)
    {
        Note(what);
        foreach (var server in servers)
        {
            try
            {
                await server.SendAsync(command);
            }
            catch (InvalidOperationException)
            {
                // Another node of the cluster has that key.
            }
        }
    }
}
