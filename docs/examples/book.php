<?php
// Book a room, show the code, cancel. Needs no extension.

$hub = getenv('HUB');
$token = getenv('TOKEN');

function call(string $method, string $path, ?array $body = null): array
{
    global $hub, $token;
    $context = stream_context_create(['http' => [
        'method' => $method,
        'header' => "Authorization: Bearer $token\r\nContent-Type: application/json",
        'content' => $body === null ? '' : json_encode($body),
        'ignore_errors' => true,   // a problem has a body too
        'timeout' => 10,
    ]]);
    $answer = json_decode(file_get_contents($hub . $path, false, $context), true);
    if (isset($answer['code'])) {
        throw new RuntimeException("{$answer['code']}: {$answer['detail']}");
    }
    return $answer;
}

$reservation = [
    'revision' => 1,
    'state' => 'active',
    'rooms' => ['https://data.example/id/INF001'],
    'windows' => [['start' => '2027-07-19T14:00:00+02:00', 'end' => '2027-07-19T18:00:00+02:00']],
    'holder' => ['ref' => 'h_88a0', 'kind' => 'company'],
    'reveal' => 'P0D',
];

$answer = call('PUT', '/v1/reservations/PHP-1', $reservation);
foreach ($answer['credentials'] as $code) {
    echo $code['method'], ' ', $code['pin'] ?? $code['qr'], "\n";
}

try {
    call('PUT', '/v1/reservations/PHP-2', $reservation);
} catch (RuntimeException $problem) {
    echo $problem->getMessage(), "\n";   // overlap: the room is held by PHP-1
}

$cancelled = call('PUT', '/v1/reservations/PHP-1', ['revision' => 2, 'state' => 'cancelled'] + $reservation);
echo $cancelled['state'], "\n";
