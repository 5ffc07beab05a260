using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Dawn.Evidence;

/// <summary>Where an entry is: the number of its file and its place there. Good as long as the file is kept.</summary>
internal readonly record struct EvidenceId(int File, long Offset)
{
    public static bool TryParse(ReadOnlySpan<char> text, out EvidenceId id)
    {
        id = default;
        var dot = text.IndexOf('.');
        if (dot <= 0 || !int.TryParse(text[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var file)
            || !long.TryParse(text[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var offset))
        {
            return false;
        }

        id = new(file, offset);
        return true;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{File}.{Offset}");
}

/// <summary>
/// The files of <c>evidence/</c> in a data directory: entries one after the other, each <c>u32</c> length ‖ the first 8 bytes of the body's SHA-256 ‖ body.
/// They are only ever appended to; what a kill left half written is where reading stops, and where the next start goes on.
/// </summary>
internal static class EvidenceFile
{
    public const string Folder = "evidence";

    public const int HeaderSize = sizeof(uint) + ChecksumSize;

    private const int ChecksumSize = 8;

    private const string Suffix = ".evidence";

    /// <summary>The numbers of the files there, ascending; none where there is no such folder.</summary>
    public static IReadOnlyList<int> Numbers(string folder) => !Directory.Exists(folder) ? [] :
    [
        .. from path in Directory.EnumerateFiles(folder, "*" + Suffix)
           let name = Path.GetFileNameWithoutExtension(path)
           where name.Length == 8 && name.All(char.IsAsciiDigit)
           let number = int.Parse(name, CultureInfo.InvariantCulture)
           orderby number
           select number,
    ];

    public static string PathOf(string folder, int number) => Path.Combine(folder, number.ToString("00000000", CultureInfo.InvariantCulture) + Suffix);

    public static void WriteHeader(Span<byte> to, ReadOnlySpan<byte> body)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(body, hash);
        BinaryPrimitives.WriteUInt32BigEndian(to, (uint)body.Length);
        hash[..ChecksumSize].CopyTo(to[sizeof(uint)..]);
    }

    /// <summary>Opens a file that may be written meanwhile.</summary>
    public static FileStream OpenRead(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 64 * 1024);

    /// <summary>The body at the stream's position; null at the end, or where the rest is none.</summary>
    public static byte[]? TryReadBody(Stream file)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        if (file.ReadAtLeast(header, HeaderSize, throwOnEndOfStream: false) < HeaderSize)
        {
            return null;
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(header);
        if (length > EvidenceEntry.MaxSize || length > file.Length - file.Position)
        {
            return null;
        }

        var body = new byte[length];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        if (file.ReadAtLeast(body, body.Length, throwOnEndOfStream: false) < body.Length)
        {
            return null;
        }

        SHA256.HashData(body, hash);
        return hash[..ChecksumSize].SequenceEqual(header[sizeof(uint)..]) ? body : null;
    }

    /// <summary>All whole entries, oldest first.</summary>
    public static IEnumerable<(EvidenceId Id, EvidenceEntry Entry)> ReadAll(string folder)
    {
        foreach (var number in Numbers(folder))
        {
            FileStream file;
            try
            {
                file = OpenRead(PathOf(folder, number));
            }
            catch (FileNotFoundException)
            {
                // The running node has made room in between.
                continue;
            }

            using (file)
            {
                for (var at = 0L; TryReadBody(file) is { } body; at = file.Position)
                {
                    if (EvidenceEntry.TryRead(body) is { } entry)
                    {
                        yield return (new(number, at), entry);
                    }
                }
            }
        }
    }

    public static EvidenceEntry? Find(string folder, EvidenceId id)
    {
        var path = PathOf(folder, id.File);
        if (!File.Exists(path))
        {
            return null;
        }

        using var file = OpenRead(path);
        file.Position = Math.Min(id.Offset, file.Length);
        return TryReadBody(file) is { } body ? EvidenceEntry.TryRead(body) : null;
    }
}
